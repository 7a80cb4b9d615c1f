import { effect, type ReadonlySignal } from '@preact/signals'

/** Keeps the screen on for as long as `wanted` says. Browsers let go of it while the page is not seen. */
export function keepAwake(wanted: ReadonlySignal<boolean>): void {
  let lock: WakeLockSentinel | null = null
  const ask = async () => {
    if (!wanted.peek() || document.hidden || !('wakeLock' in navigator)) return
    // Refused when the battery is low: the call goes on all the same.
    const granted = await navigator.wakeLock.request('screen').catch(() => null)
    if (wanted.peek()) lock = granted
    else void granted?.release()
  }
  document.addEventListener('visibilitychange', () => void ask())
  effect(() => {
    if (wanted.value) void ask()
    else {
      void lock?.release()
      lock = null
    }
  })
}
