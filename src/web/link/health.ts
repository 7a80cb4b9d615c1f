/**
 * How a link is: `connecting` until the first time it works; `weak` when nothing has come for two seconds; `lost` from the
 * third second on, or when the browser gives the path up.
 */
export type Condition = 'connecting' | 'connected' | 'weak' | 'lost'

/**
 * What helps: `restart` looks for a new path (ICE restart); `repeat` says again what the other side has not answered;
 * `rebuild` gives this connection up for a new one.
 */
export type Cure = 'restart' | 'repeat' | 'rebuild'

/**
 * While media flows something comes many times a second; without any, checks of the path every 2.5 s are all there is. Half
 * a second less than meant, because ticks are never exactly a second apart: the second silent tick, and the third.
 */
const weakAfterMs = { busy: 1500, idle: 5500 }
const lostAfterMs = { busy: 2500, idle: 8500 }
/** A tick is due each second; one this late means that the computer has slept. */
const sleptMs = 4000
/** What one second brings at least while there is sound or a picture; checks of the path count as a few. */
const busyBytes = 1000
const repeatMs = 2000
/** A path through a slow relay takes seconds to find, and each restart begins the search anew. */
const restartMs = 6000
const rebuildMs = 20_000
/** Two reasons for a restart that come together (a new address, then a new WebSocket) are one. */
const togetherMs = 500
/** Both sides notice a broken path, and each restart begins the search anew. */
const askedAgainMs = 1000
/** Where there is no path at all each new try fails at once. */
const failedAgainMs = 3000

/** Judges one link by what arrives and says when to do what about it. Knows no browser and no clock: `now` is milliseconds. */
export class Health {
  condition: Condition = 'connecting'
  #received = 0
  #heardAt: number
  #tickedAt: number
  /** Above 0 while media flows; the second in which it ends brings less than a whole one. */
  #busy = 0
  #connected = false
  #failed = false
  #suspicious = false
  #lostAt = 0
  #restartedAt = Number.NEGATIVE_INFINITY
  #saidAt = 0
  #answered = true
  #answeredWhileLost = false

  constructor(now: number) {
    this.#heardAt = now
    this.#tickedAt = now
  }

  /** Once a second; `received` grows with each byte of media and each check of the path that arrives. */
  tick(received: number, now: number): Cure | null {
    const slept = now - this.#tickedAt >= sleptMs
    this.#tickedAt = now
    if (slept) this.#woke(now)
    // Paths that are given up take their counts with them.
    const more = received - this.#received
    this.#received = received
    if (more > 0) this.#heard(more, now)
    else if (!slept) this.#silent(now)
    return this.#due(now)
  }

  /** The browser's own judgement. */
  state(state: RTCPeerConnectionState, now: number): Cure | null {
    this.#connected = state === 'connected'
    this.#failed = state === 'failed'
    if (state === 'connected' && this.condition !== 'connected') this.#recovered(now)
    if (state === 'disconnected' && this.condition === 'connected') this.condition = 'weak'
    if (state !== 'failed') return null
    if (this.condition !== 'connecting' && this.condition !== 'lost') this.#lose(now)
    return this.#due(now)
  }

  /** A first offer went to somebody who is there, so an answer is due. */
  offered(now: number): void {
    this.#saidAt = now
    this.#answered = false
  }

  /** Our network has changed, or may have: does not wait for the second silent second. */
  networkChanged(now: number): Cure | null {
    this.#suspicious = true
    if (this.condition !== 'weak' && this.condition !== 'lost') return null
    if (this.condition === 'weak') this.#lose(now)
    return now - this.#restartedAt >= togetherMs ? this.#restart(now) : null
  }

  /** The other side wants a new path. */
  asked(now: number): Cure | null {
    if (!this.#answered && now - this.#restartedAt < restartMs) return this.#repeat(now)
    const apart = this.condition === 'connecting' ? failedAgainMs : askedAgainMs
    return now - this.#restartedAt >= apart ? this.#restart(now) : null
  }

  /** What we said last has been answered. */
  answered(): void {
    this.#answered = true
    if (this.condition === 'lost') this.#answeredWhileLost = true
  }

  #heard(more: number, now: number): void {
    this.#busy = more >= busyBytes ? 2 : this.#busy - 1
    this.#heardAt = now
    this.#suspicious = false
    // A check that comes in on a path does not make it the one in use.
    if (this.#connected && (this.condition === 'weak' || this.condition === 'lost')) this.#recovered(now)
  }

  #silent(now: number): void {
    const pace = this.#busy > 0 ? 'busy' : 'idle'
    const silence = now - this.#heardAt
    if (this.condition === 'connected' && (this.#suspicious || silence >= weakAfterMs[pace])) this.condition = 'weak'
    if (this.condition === 'weak' && (this.#suspicious || silence >= lostAfterMs[pace])) this.#lose(now)
  }

  /** What stood still while we slept says nothing about the path; the next seconds will. */
  #woke(now: number): void {
    this.#heardAt = now
    this.#lostAt = now
    this.#suspicious = true
    this.#answeredWhileLost = false
  }

  #recovered(now: number): void {
    this.condition = 'connected'
    this.#heardAt = now
    this.#answered = true
  }

  #lose(now: number): void {
    this.condition = 'lost'
    this.#lostAt = now
    this.#answeredWhileLost = false
    this.#restartedAt = Number.NEGATIVE_INFINITY
  }

  #due(now: number): Cure | null {
    const lost = this.condition === 'lost'
    if (lost && this.#answeredWhileLost && now - this.#lostAt >= rebuildMs) {
      this.#lostAt = now
      return 'rebuild'
    }
    if (this.#failed && now - this.#restartedAt >= failedAgainMs) return this.#restart(now)
    if (lost && now - this.#restartedAt >= restartMs) return this.#restart(now)
    return !this.#answered && now - this.#saidAt >= repeatMs ? this.#repeat(now) : null
  }

  #restart(now: number): Cure {
    this.#failed = false
    this.#restartedAt = now
    this.#saidAt = now
    this.#answered = false
    return 'restart'
  }

  #repeat(now: number): Cure {
    this.#saidAt = now
    return 'repeat'
  }
}
