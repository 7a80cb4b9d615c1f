import { type Signal, signal } from '@preact/signals'
import type { Reaction, ReactionSaying } from '../link/talk.ts'

interface Shown {
  readonly id: number
  readonly reaction: Reaction
  readonly mine: boolean
}

/** How long one is seen. */
const shownMs = 4000
/** Of both sides; a flood shows no more. */
const most = 12

/** What people show each other for a moment. */
export class Reactions {
  readonly shown: Signal<readonly Shown[]> = signal([])
  readonly #say: (saying: ReactionSaying) => void
  #last = 0

  constructor(say: (saying: ReactionSaying) => void) {
    this.#say = say
  }

  /** Shows it here and to the others. */
  react(reaction: Reaction): void {
    this.#say({ type: 'reaction', reaction })
    this.#show(reaction, true)
  }

  hear({ reaction }: ReactionSaying): void {
    this.#show(reaction, false)
  }

  #show(reaction: Reaction, mine: boolean): void {
    const id = ++this.#last
    this.shown.value = [...this.shown.value, { id, reaction, mine }].slice(-most)
    setTimeout(() => {
      this.shown.value = this.shown.value.filter((one) => one.id !== id)
    }, shownMs)
  }
}
