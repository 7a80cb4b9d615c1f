const paths = {
  microphone: 'M12 3a3 3 0 0 0-3 3v5a3 3 0 0 0 6 0V6a3 3 0 0 0-3-3zM5.5 11a6.5 6.5 0 0 0 13 0M12 17.5V21M9 21h6',
  microphoneOff:
    'M9 9v2a3 3 0 0 0 5 2.2M15 10V6a3 3 0 0 0-5.8-1M5.5 11a6.5 6.5 0 0 0 10.8 4.9M18.5 11c0 .9-.2 1.8-.5 2.6M12 17.5V21M9 21h6M4 4l16 16',
  camera:
    'M3 8.5A2.5 2.5 0 0 1 5.5 6h7A2.5 2.5 0 0 1 15 8.5v7a2.5 2.5 0 0 1-2.5 2.5h-7A2.5 2.5 0 0 1 3 15.5zM15 10.8 21 7.5v9l-6-3.3',
  cameraOff:
    'M10 6h2.5A2.5 2.5 0 0 1 15 8.5V11M15 15.5a2.5 2.5 0 0 1-2.5 2.5h-7A2.5 2.5 0 0 1 3 15.5v-7A2.5 2.5 0 0 1 5.5 6M15 11l6-3.5v9l-4-2.2M4 4l16 16',
  screen:
    'M4.5 4h15A1.5 1.5 0 0 1 21 5.5v9a1.5 1.5 0 0 1-1.5 1.5h-15A1.5 1.5 0 0 1 3 14.5v-9A1.5 1.5 0 0 1 4.5 4zM8 20h8M12 13V7.5M9.5 9.7 12 7.2l2.5 2.5',
  screenOff:
    'M4.5 4h15A1.5 1.5 0 0 1 21 5.5v9a1.5 1.5 0 0 1-1.5 1.5h-15A1.5 1.5 0 0 1 3 14.5v-9A1.5 1.5 0 0 1 4.5 4zM8 20h8M9.8 7.8l4.400 4.400M14.2 7.8l-4.400 4.400',
  expand: 'M4 9V4h5M20 9V4h-5M4 15v5h5M20 15v5h-5',
  shrink: 'M9 4v5H4M15 4v5h5M9 20v-5H4M15 20v-5h5',
  window:
    'M4.5 5h15A1.5 1.5 0 0 1 21 6.5v11a1.5 1.5 0 0 1-1.5 1.5h-15A1.5 1.5 0 0 1 3 17.5v-11A1.5 1.5 0 0 1 4.5 5zM12.5 12H18v4h-5.5z',
  hangUp:
    'M3.2 15.3c-.6-.6-.8-1.5-.5-2.3C3.9 9.9 7.600 8 12 8s8.100 1.9 9.3 5c.3.8.1 1.7-.5 2.3l-.9.9c-.5.5-1.3.6-1.9.2l-2-1.2c-.5-.3-.8-.9-.7-1.5l.1-1.2a10 10 0 0 0-6.8 0l.1 1.2c.1.6-.2 1.2-.7 1.5l-2 1.2c-.6.4-1.400.3-1.9-.2z',
  copy: 'M10 9h9a1 1 0 0 1 1 1v9a1 1 0 0 1-1 1h-9a1 1 0 0 1-1-1v-9a1 1 0 0 1 1-1zM5 15a1 1 0 0 1-1-1V5a1 1 0 0 1 1-1h9a1 1 0 0 1 1 1',
  check: 'M5 12.5l4.5 4.5L19 7.5',
  share: 'M12 15V4M8 7.5 12 3.5l4 4M6 12H5v8h14v-8h-1',
  dice: 'M20 11a8 8 0 0 0-14.3-4L4 9M4 4v5h5M4 13a8 8 0 0 0 14.3 4L20 15M20 20v-5h-5',
  warning: 'M12 4 2.8 19.5h18.400zM12 10v4.5M12 17.2v.1',
  person: 'M12 12a4 4 0 1 0 0-8 4 4 0 0 0 0 8zM4.5 20.5c.8-3.600 3.8-5.5 7.5-5.5s6.7 1.9 7.5 5.5',
  arrow: 'M5 12h14M13 6l6 6-6 6',
} as const

export type IconName = keyof typeof paths

/** A line drawing in the text's colour; says nothing to screen readers, its button does. */
export function Icon({ name }: { name: IconName }) {
  return (
    <svg class={name === 'hangUp' ? 'icon icon-solid' : 'icon'} viewBox="0 0 24 24" aria-hidden="true">
      <path d={paths[name]} />
    </svg>
  )
}
