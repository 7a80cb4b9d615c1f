import { computed, effect, type ReadonlySignal, signal } from '@preact/signals'
import type { Phase } from '../session.ts'

/** How long the call with this other side lasts, as `m:ss` or `h:mm:ss`; '' before it begins. Stays when it is over. */
export function callLength(phase: ReadonlySignal<Phase>): ReadonlySignal<string> {
  const seconds = signal<number | null>(null)
  let since: number | null = null
  // Only what begins or ends a call: a reconnection goes on with it.
  const state = computed(() => {
    if (phase.value === 'connected') return 'on'
    return phase.value === 'reconnecting' ? 'goes on' : phase.value === 'ended' ? 'over' : 'none'
  })
  effect(() => {
    if (state.value === 'none') {
      since = null
      seconds.value = null
      return
    }
    if (state.value === 'over') return
    if (state.value === 'on') since ??= performance.now()
    const count = () => {
      if (since !== null) seconds.value = Math.floor((performance.now() - since) / 1000)
    }
    count()
    const timer = setInterval(count, 1000)
    return () => clearInterval(timer)
  })
  return computed(() => (seconds.value === null ? '' : lengthText(seconds.value)))
}

/** `4:07`, `1:02:09`. */
export function lengthText(seconds: number): string {
  const two = (number: number) => String(number).padStart(2, '0')
  const hours = Math.floor(seconds / 3600)
  const minutes = Math.floor(seconds / 60) % 60
  return hours === 0 ? `${minutes}:${two(seconds % 60)}` : `${hours}:${two(minutes)}:${two(seconds % 60)}`
}
