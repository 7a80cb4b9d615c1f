import { type ReadonlySignal, signal } from '@preact/signals'

/** How long another tab of this browser may take to leave; a tab in the background is slow, not gone. */
const leaveMs = 3000

/** Knows whether another tab of this browser is in the same room, which would take both of its places. */
export class OtherTabs {
  /** Another tab is in the call. */
  readonly inCall: ReadonlySignal<boolean>
  readonly #elsewhere = signal(false)
  readonly #channel: BroadcastChannel | null
  #here = false
  #leftTo = () => {}

  /** `giveUp` ends the call of this tab, because the person goes on in another one. */
  constructor(room: string, giveUp: () => Promise<void>) {
    this.inCall = this.#elsewhere
    // Safari before 15.4 has none: two tabs are then two people, as ever.
    this.#channel = typeof BroadcastChannel === 'undefined' ? null : new BroadcastChannel(`webrtc-stack ${room}`)
    this.#channel?.addEventListener('message', ({ data }) => {
      if (data === 'here') this.#elsewhere.value = true
      else if (data === 'gone') this.#elsewhere.value = false
      else if (data === 'who' && this.#here) this.#say('here')
      else if (data === 'come' && this.#here) void giveUp().then(() => this.#say('left'))
      else if (data === 'left') this.#leftTo()
    })
  }

  /** Asks the others; one that is in the call answers. */
  look(): void {
    this.#say('who')
  }

  /** Asks the tab that is in the call to end it; resolves when its place is free, or it does not answer. */
  async take(): Promise<void> {
    await new Promise<void>((resolve) => {
      this.#leftTo = resolve
      setTimeout(resolve, leaveMs)
      this.#say('come')
    })
    this.#elsewhere.value = false
  }

  /** This tab is in the call now, or no longer. */
  set here(here: boolean) {
    if (here === this.#here) return
    this.#here = here
    this.#say(here ? 'here' : 'gone')
  }

  #say(word: 'who' | 'here' | 'gone' | 'come' | 'left'): void {
    this.#channel?.postMessage(word)
  }
}
