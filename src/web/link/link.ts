import { computed, type ReadonlySignal, type Signal, signal } from '@preact/signals'
import type { Message } from '../room/message.ts'
import { Connection, type Tracks } from './connection.ts'
import { type Condition, type Cure, Health } from './health.ts'
import type { IceConfiguration } from './ice-configuration.ts'
import { type Quality, qualityOf } from './quality.ts'
import { type Sample, Sampler } from './sampler.ts'
import type { Sending } from './sending.ts'
import type { Presence, Saying } from './talk.ts'
import type { Wishes } from './wishes.ts'

export interface LinkEvents {
  send(message: Message): void
  /** Nothing comes any more: our own network may have changed. Said once a second until it is over. */
  silent(): void
  /** No path was found for this connection, and another try with it is in vain. */
  hopeless(): void
  /** What the other side says beside its presence, which the link keeps itself. */
  heard(saying: Exclude<Saying, { type: 'presence' }>): void
}

export interface LinkOptions {
  /** Who offers: always the same side, so that two offers never cross. */
  readonly offers: boolean
  readonly wishes: Wishes
  /** Whether somebody is there to answer the first offer; else it waits in the room. */
  readonly expected: boolean
}

/** Longer than any browser needs to connect or to say that it can't. */
const connectMs = 30_000
/** A program other than this page is given this long for a new path. */
const strangerMs = 15_000

/** The way to one other side: a connection, watched and mended for as long as it is wanted. */
export class Link {
  readonly condition: Signal<Condition> = signal('connecting')
  /** The browser found no path so far, though the other side is there. */
  readonly noPath = signal(false)
  readonly remote: MediaStream
  /** What was seen in the last two minutes. */
  readonly samples: ReadonlySignal<readonly Sample[]>
  readonly sample: ReadonlySignal<Sample | null> = computed(() => this.samples.value.at(-1) ?? null)
  readonly quality: ReadonlySignal<Quality> = computed(() => qualityOf(this.condition.value, this.samples.value))
  /** Whether new pictures of the other side arrive. */
  readonly picture = signal(true)
  /** How the other side says it is; null as long as it is a program that doesn't say. */
  readonly presence: Signal<Presence | null> = signal(null)
  /** Whether the other side hears what is said to it. */
  readonly talking = signal(false)
  readonly offers: boolean
  readonly #connection: Connection
  readonly #ice: IceConfiguration
  readonly #events: LinkEvents
  readonly #health: Health
  readonly #sampler: Sampler
  #deadline: ReturnType<typeof setTimeout> | undefined
  #sending: Sending = { dataUse: 'high', screen: false }
  #channelOffered = false
  #frames = -1
  #still = 0

  constructor(
    ice: IceConfiguration,
    configuration: RTCConfiguration,
    tracks: Tracks,
    options: LinkOptions,
    events: LinkEvents,
  ) {
    this.offers = options.offers
    this.#ice = ice
    this.#events = events
    this.#health = new Health(performance.now())
    this.#connection = new Connection(configuration, tracks, options.wishes, {
      send: (message) => events.send(message),
      state: (state) => this.#state(state),
      answered: () => this.#health.answered(),
      talking: () => {
        this.talking.value = true
      },
      heard: (saying) => this.#heard(saying),
    })
    this.remote = this.#connection.remote
    this.#sampler = new Sampler(
      () => this.#connection.reading(),
      (sample) => this.#seen(sample),
    )
    this.samples = this.#sampler.samples
    if (options.expected) this.expect()
    if (!options.offers) return
    void this.#connection.call()
    if (options.expected) this.#health.offered(performance.now())
  }

  /** Whether the other side has said anything that belongs to this connection. */
  get described(): boolean {
    return this.#connection.described
  }

  /** Whether the other side is this page, too. */
  get kindred(): boolean {
    return this.#connection.kindred
  }

  /** Whether something has come lately. */
  get alive(): boolean {
    return this.condition.value === 'connected'
  }

  isForeign(offer: string): boolean {
    return this.#connection.isForeign(offer)
  }

  /** Somebody is there now: from here on it counts how long connecting takes. */
  expect(): void {
    this.#deadline ??= setTimeout(() => this.#giveUp(), connectMs)
  }

  receive(message: Message): void {
    if (message.type === 'restart') this.#do(this.#health.asked(performance.now()))
    else void this.#connection.receive(message, () => this.#ice.servers())
  }

  /** Tells the other side, if it is this page, too. */
  say(saying: Saying): void {
    this.#connection.say(saying)
  }

  setTracks(tracks: Tracks): void {
    void this.#connection.setTracks(tracks)
  }

  /** How our picture is sent; not at all to a side that says it does not watch. */
  setSending(sending: Sending): void {
    this.#sending = sending
    void this.#connection.setSending(sending, this.presence.peek()?.watching ?? true)
  }

  /** Our network has changed, or we are awake again, or the server is back. */
  networkChanged(): void {
    this.#do(this.#health.networkChanged(performance.now()))
  }

  close(): void {
    clearTimeout(this.#deadline)
    this.#sampler.close()
    this.#connection.close()
  }

  #state(state: RTCPeerConnectionState): void {
    if (state === 'failed' && this.condition.value === 'connecting') this.noPath.value = true
    this.#do(this.#health.state(state, performance.now()))
  }

  #heard(saying: Saying): void {
    if (saying.type === 'presence') {
      const { type: _, ...presence } = saying
      this.presence.value = presence
      this.setSending(this.#sending)
    } else this.#events.heard(saying)
  }

  #seen(sample: Sample): void {
    this.#still = sample.framesDecoded > this.#frames ? 0 : this.#still + 1
    this.#frames = sample.framesDecoded
    // A decoder takes a moment to begin, and a camera that is off stays off: two looks tell them apart.
    this.picture.value = this.#still < 2
    this.#do(this.#health.tick(sample.received, sample.at))
    if (this.condition.value !== 'weak' && this.condition.value !== 'lost') return
    this.#events.silent()
    // Browsers learn of a new network a second or two after it is there, and look for it only when they are asked again.
    if (this.condition.value === 'lost' && this.#connection.candidates === 0) this.networkChanged()
  }

  #do(cure: Cure | null): void {
    const before = this.condition.value
    this.condition.value = this.#health.condition
    if (this.condition.value === 'connected' && before !== 'connected') {
      this.noPath.value = false
      clearTimeout(this.#deadline)
      this.#deadline = undefined
      if (this.offers && this.kindred) this.#openChannel()
      if (before === 'lost') void this.#connection.refreshPicture()
    }
    if (this.condition.value === 'lost' && before !== 'lost' && !this.kindred)
      this.#deadline ??= setTimeout(() => this.#giveUp(), strangerMs)
    if (cure === null) return
    if (cure === 'rebuild') {
      if (this.kindred) this.#giveUp()
    } else if (!this.offers) {
      if (this.kindred) this.#events.send({ type: 'restart' })
    } else if (cure === 'restart') void this.#restart()
    else if (this.kindred || !this.described) void this.#connection.repeat()
  }

  #openChannel(): void {
    if (this.#channelOffered) return
    this.#channelOffered = true
    this.#health.offered(performance.now())
    void this.#connection.openChannel()
  }

  async #restart(): Promise<void> {
    await this.#connection.restart(await this.#ice.servers())
  }

  #giveUp(): void {
    if (this.condition.value === 'connecting') this.noPath.value = true
    this.#deadline = undefined
    this.#events.hopeless()
  }
}
