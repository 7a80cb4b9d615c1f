import { type Signal, signal } from '@preact/signals'

/** Whether the page has the whole screen. */
export function fullScreenSignal(): Signal<boolean> {
  const full = signal(false)
  document.addEventListener('fullscreenchange', () => {
    full.value = document.fullscreenElement !== null
  })
  return full
}

/** iPhones give full screen to video elements alone. */
export async function toggleFullScreen(): Promise<void> {
  const video = document.querySelector<HTMLVideoElement & { webkitEnterFullscreen?(): void }>('video.remote')
  if (document.fullscreenElement !== null && document.fullscreenElement !== undefined) return document.exitFullscreen()
  const { documentElement } = document
  if (documentElement.requestFullscreen !== undefined)
    return documentElement.requestFullscreen().catch(() => video?.webkitEnterFullscreen?.())
  video?.webkitEnterFullscreen?.()
}
