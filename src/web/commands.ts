import { type Signal, signal } from '@preact/signals'
import type { CallParts } from './call-parts.ts'
import type { Commands } from './command.ts'

/** Everything that has a button and a key, once. */
export function commandsOf({ session, media, chat, view }: CallParts): Commands {
  const full = fullScreenSignal()
  const inCall = () => ['waiting', 'connecting', 'connected', 'reconnecting'].includes(session.phase.value)
  const beforeOrInCall = () => inCall() || session.phase.value === 'idle'
  return {
    mute: {
      keys: ['m', ' '],
      icon: () => (media.silent.value ? 'microphoneOff' : 'microphone'),
      label: () => (media.muted.value ? 'unmute' : 'mute'),
      tone: () => (media.silent.value ? 'off' : undefined),
      possible: true,
      enabled: () => beforeOrInCall() && media.microphone.value !== null,
      run: () => media.setMuted(!media.muted.value),
    },
    camera: {
      keys: ['v', 'c'],
      icon: () => (media.cameraOn.value ? 'camera' : 'cameraOff'),
      label: () => (media.cameraOn.value ? 'cameraOff' : 'cameraOn'),
      tone: () => (media.cameraOn.value ? undefined : 'off'),
      possible: true,
      enabled: () => beforeOrInCall() && (media.cameraOn.value || media.cameras.value.length > 0),
      run: () => void media.setCamera(!media.cameraOn.value),
    },
    screen: {
      keys: ['s'],
      icon: () => (media.screen.value === null ? 'screen' : 'screenOff'),
      label: () => (media.screen.value === null ? 'shareScreen' : 'stopSharing'),
      tone: () => (media.screen.value === null ? undefined : 'active'),
      possible: 'getDisplayMedia' in (navigator.mediaDevices ?? {}),
      enabled: inCall,
      run: () => void media.setScreen(media.screen.value === null),
    },
    chat: {
      keys: ['t'],
      icon: () => 'chat',
      label: () => 'chat',
      tone: () => (view.panel.value === 'chat' ? 'active' : undefined),
      count: () => chat.unread.value,
      possible: true,
      enabled: inCall,
      run: () => view.toggle('chat'),
    },
    pictureInPicture: {
      keys: ['p'],
      icon: () => 'window',
      label: () => 'pictureInPicture',
      possible: document.pictureInPictureEnabled === true,
      enabled: () => session.phase.value === 'connected',
      run: () => void togglePictureInPicture(),
    },
    fullScreen: {
      keys: ['f'],
      icon: () => (full.value ? 'shrink' : 'expand'),
      label: () => (full.value ? 'exitFullScreen' : 'fullScreen'),
      possible: true,
      enabled: inCall,
      run: () => void toggleFullScreen(),
    },
    hangUp: {
      keys: ['q'],
      icon: () => 'hangUp',
      label: () => 'hangUp',
      tone: () => 'danger',
      possible: true,
      enabled: inCall,
      run: () => void session.hangUp(),
    },
  }
}

/** Whether a key press is a command, which then is done. Keys that write, or press what has the focus, are left alone. */
export function pressKey(commands: Commands, event: KeyboardEvent): void {
  if (event.ctrlKey || event.altKey || event.metaKey || event.repeat || !(event.target instanceof Element)) return
  if (event.target.closest('input, select, textarea, [contenteditable]') !== null) return
  if (event.key === ' ' && event.target.closest('button, a, summary') !== null) return
  const command = Object.values(commands).find(({ keys }) => keys.includes(event.key.toLowerCase()))
  if (command === undefined || !command.possible || !command.enabled()) return
  event.preventDefault()
  command.run()
}

function fullScreenSignal(): Signal<boolean> {
  const full = signal(false)
  document.addEventListener('fullscreenchange', () => {
    full.value = document.fullscreenElement !== null
  })
  return full
}

/** iPhones give full screen to video elements alone. */
async function toggleFullScreen(): Promise<void> {
  const video = document.querySelector<HTMLVideoElement & { webkitEnterFullscreen?(): void }>('video.remote')
  if (document.fullscreenElement !== null && document.fullscreenElement !== undefined) return document.exitFullscreen()
  const { documentElement } = document
  if (documentElement.requestFullscreen !== undefined)
    return documentElement.requestFullscreen().catch(() => video?.webkitEnterFullscreen?.())
  video?.webkitEnterFullscreen?.()
}

async function togglePictureInPicture(): Promise<void> {
  if (document.pictureInPictureElement !== null) return document.exitPictureInPicture()
  // Refused while there is no picture yet; the next press works.
  await document
    .querySelector<HTMLVideoElement>('video.remote')
    ?.requestPictureInPicture()
    .catch(() => undefined)
}
