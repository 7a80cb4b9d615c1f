import { effect, type ReadonlySignal, type Signal, signal } from '@preact/signals'
import type { Phase } from '../session.ts'
import type { chimes } from './chime.ts'

/** What happened among the people of the call. */
export type Happening = keyof typeof chimes

/** Tells when somebody comes, goes or writes. */
export function watchPeople(
  phase: ReadonlySignal<Phase>,
  unread: ReadonlySignal<number>,
  tell: (what: Happening) => void,
): void {
  let there = false
  let seen = 0
  effect(() => {
    if (phase.value === 'connected' && !there) {
      there = true
      tell('came')
    } else if (phase.value === 'waiting' && there) {
      there = false
      tell('left')
    } else if (phase.value !== 'reconnecting' && phase.value !== 'connecting' && phase.value !== 'connected')
      there = false
  })
  effect(() => {
    if (unread.value > seen) tell('wrote')
    seen = unread.value
  })
}

/** The last coming or going that nobody has seen, because another tab or window was in front. */
export function unseen(): { readonly happening: Signal<Happening | null>; note(what: Happening): void } {
  const happening = signal<Happening | null>(null)
  document.addEventListener('visibilitychange', () => {
    if (!document.hidden) happening.value = null
  })
  return {
    happening,
    note: (what) => {
      if (document.hidden && what !== 'wrote') happening.value = what
    },
  }
}
