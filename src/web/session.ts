import { computed, effect, type ReadonlySignal, type Signal, signal } from '@preact/signals'
import type { Tracks } from './link/connection.ts'
import { IceConfiguration } from './link/ice-configuration.ts'
import { Link } from './link/link.ts'
import type { Sending } from './link/sending.ts'
import type { Presence, Saying } from './link/talk.ts'
import { wishesIn } from './link/wishes.ts'
import { type JoinOutcome, Membership } from './room/membership.ts'
import { type Message, parseMessage } from './room/message.ts'
import { rememberRoom } from './room/room-name.ts'

/** Where the visitor stands with the room; `inside` is a call or the wait for one. */
type Stage = 'idle' | 'joining' | 'inside' | 'full' | 'elsewhere' | 'unreachable' | 'refused' | 'ended'

export type Phase = Exclude<Stage, 'inside'> | 'waiting' | 'connecting' | 'connected' | 'reconnecting'

/** What a call takes from the person's devices. */
export interface Sources {
  readonly sound: ReadonlySignal<MediaStreamTrack | null>
  readonly picture: ReadonlySignal<MediaStreamTrack | null>
  readonly sending: ReadonlySignal<Sending>
  /** What the other side is told about them. */
  readonly presence: ReadonlySignal<Presence>
  /** Opens again what was open before. */
  reopen(): Promise<void>
  close(): void
}

/** Who takes what the other side says on the data channel. */
type Hear = (saying: Exclude<Saying, { type: 'presence' }>) => void

/** How long a place is kept without a WebSocket where the join answer does not say it: Collider's reconnect time. */
const colliderGraceSeconds = 10
const retryMs = 3000

/** One call: a place in a room, and the link to whoever is there. */
export class Session {
  /** The address or the reason that goes with `unreachable` and `refused`. */
  readonly detail = signal('')
  readonly peerLeft = signal(false)
  readonly signalingLost = signal(false)
  /** There is somebody, but no path to them has ever been found. */
  readonly noPath = signal(false)
  readonly noRelay = signal(false)
  readonly link: Signal<Link | null> = signal(null)
  readonly phase: ReadonlySignal<Phase> = computed(() => this.#phase())
  /** Whether there is a place in the room, or was until a moment ago. */
  readonly inside: ReadonlySignal<boolean> = computed(() => this.#stage.value === 'inside')
  readonly room: string
  readonly #sources: Sources
  readonly #hear: Hear
  readonly #stage: Signal<Stage> = signal('idle')
  #afterElsewhere: 'idle' | 'ended' = 'idle'
  /** Nobody else is in the room. */
  readonly #alone = signal(true)
  /** A connection to this other side has worked before. */
  readonly #hadCall = signal(false)
  #membership: Membership | null = null
  #ice: IceConfiguration | null = null
  #graceMs = Number.POSITIVE_INFINITY
  /** What came before the link was ready to take it. */
  #inbox: Message[] = []
  #again: ReturnType<typeof setTimeout> | undefined
  /** Which link is being made; an older one must not appear any more. */
  #linking = 0

  constructor(room: string, sources: Sources, hear: Hear = () => {}) {
    this.room = room
    this.#sources = sources
    this.#hear = hear
    effect(() => {
      const tracks = this.#tracks()
      this.link.peek()?.setTracks(tracks)
    })
    effect(() => {
      const sending = sources.sending.value
      this.link.value?.setSending(sending)
    })
    effect(() => {
      const presence = sources.presence.value
      if (this.link.value?.talking.value) this.link.value.say({ type: 'presence', ...presence })
    })
    effect(() => {
      const link = this.link.value
      if (link?.condition.value === 'connected') {
        this.peerLeft.value = false
        this.noPath.value = false
        this.#hadCall.value = true
      } else if (link?.noPath.value === true && !this.#hadCall.peek()) this.noPath.value = true
    })
  }

  /** Takes a place in the room, and calls whoever has the other. */
  async join(): Promise<void> {
    this.#stage.value = 'joining'
    this.peerLeft.value = false
    this.noPath.value = false
    this.#hadCall.value = false
    // Not awaited: a permission question must not keep anybody waiting, and tracks may come later.
    void this.#sources.reopen()
    await this.#enter()
  }

  async hangUp(): Promise<void> {
    const membership = this.#membership
    this.#end()
    this.#sources.close()
    this.#stage.value = 'ended'
    await membership?.leave()
  }

  /** The page is going away. */
  leaveAtOnce(): void {
    this.#membership?.leaveAtOnce()
  }

  /** There is no place in the room now. */
  showFull(): void {
    this.#stop('full')
  }

  /** There may be a place now. */
  offerToJoin(): void {
    if (this.#stage.value === 'full') this.#stage.value = 'idle'
  }

  /** Another tab of this browser is in the room, or no longer. A call of this tab goes on. */
  showElsewhere(elsewhere: boolean): void {
    const stage = this.#stage.peek()
    if (elsewhere && (stage === 'idle' || stage === 'full' || stage === 'ended')) {
      this.#stage.value = 'elsewhere'
      this.#afterElsewhere = stage === 'ended' ? 'ended' : 'idle'
    } else if (!elsewhere && stage === 'elsewhere') this.#stage.value = this.#afterElsewhere
  }

  /** The network may have changed under us: another address, a computer that was asleep. */
  networkChanged(how: 'changed' | 'perhaps'): void {
    if (how === 'changed') this.#membership?.renew()
    this.link.value?.networkChanged()
  }

  async #enter(): Promise<void> {
    const membership = new Membership(this.room, location.search, {
      message: (message) => this.#receive(message),
      online: (online, outageMs) => this.#online(online, outageMs),
      inCall: () => this.#hadCall.peek() && this.link.peek()?.described === true,
      evicted: () => this.#evicted(),
      closed: (notice) => this.#stop('refused', notice),
    })
    this.#membership = membership
    const outcome = await membership.join()
    if (this.#membership !== membership) return
    if (outcome.kind !== 'joined') return this.#notJoined(outcome)
    const { parameters } = outcome
    rememberRoom(this.room)
    if (parameters.error_messages?.length) {
      void membership.leave()
      return this.#stop('refused', parameters.error_messages.join(' '))
    }
    this.#ice = new IceConfiguration(parameters)
    // 0 seconds are without end, like every time in the server's configuration.
    const graceSeconds = parameters.room_grace_seconds ?? colliderGraceSeconds
    this.#graceMs = graceSeconds === 0 ? Number.POSITIVE_INFINITY : graceSeconds * 1000
    const registered = await membership.connect()
    if (this.#membership !== membership) return
    if (!registered && this.#stage.value === 'joining') {
      void membership.leave()
      return this.#stop('unreachable', parameters.wss_url)
    }
    const offers = membership.initiator ? [] : parameters.messages.flatMap(parsed)
    this.#stage.value = 'inside'
    if (this.link.value?.alive) {
      for (const message of offers) this.#receive(message)
      return
    }
    this.#inbox.unshift(...offers)
    await this.#connect(membership.initiator ? 'wait' : 'answer')
  }

  #notJoined(outcome: Exclude<JoinOutcome, { kind: 'joined' }>): void {
    if (this.link.value?.alive || (outcome.kind === 'unreachable' && this.#stage.value === 'inside')) {
      this.signalingLost.value = true
      this.#again = setTimeout(() => void this.#enter(), retryMs)
    } else if (outcome.kind === 'unreachable') this.#stop('unreachable', location.host)
    else if (outcome.kind === 'refused') this.#stop('refused', outcome.reason)
    else this.#stop('full')
  }

  /**
   * A new link: `wait` leaves an offer in the room, `call` offers to somebody who is there, `answer` takes the offer that is
   * in the inbox or on its way.
   */
  async #connect(how: 'wait' | 'call' | 'answer'): Promise<void> {
    const membership = this.#membership
    const ice = this.#ice
    this.#drop()
    this.#alone.value = how === 'wait'
    if (how === 'wait') this.#hadCall.value = false
    const linking = this.#linking
    const configuration = await ice!.configuration()
    if (membership === null || linking !== this.#linking) return
    this.noRelay.value = !ice!.hasRelay
    const link: Link = new Link(
      ice!,
      configuration,
      this.#tracks(),
      { offers: how !== 'answer', expected: how !== 'wait', wishes: wishesIn(location.search) },
      {
        send: (message) => void this.#membership?.send(message),
        silent: () => this.#membership?.renew(),
        hopeless: () => {
          if (this.link.value === link) this.#startAnew(link)
        },
        heard: this.#hear,
      },
    )
    this.link.value = link
    const inbox = this.#inbox
    this.#inbox = []
    for (const message of inbox) this.#receive(message)
  }

  #receive(message: Message): void {
    if (message.type === 'bye') {
      this.#inbox = []
      this.peerLeft.value = true
      this.noPath.value = false
      this.#membership!.initiator = true
      void this.#connect('wait')
      return
    }
    const link = this.link.value
    if (link === null) {
      this.#inbox.push(message)
      return
    }
    if (message.type === 'offer' && (link.described ? link.isForeign(message.sdp) : link.offers)) {
      // Somebody else's connection: the other side started anew and its bye was lost. Its offer makes us the one who answers.
      this.#membership!.initiator = false
      this.#inbox = [message]
      void this.#connect('answer')
      return
    }
    if (message.type === 'offer' || message.type === 'answer') {
      this.peerLeft.value = false
      this.#alone.value = false
      link.expect()
    }
    link.receive(message)
  }

  /** The link has no future. Another such page takes a new connection in the same place; others expect us to come anew. */
  #startAnew(link: Link): void {
    if (link.kindred && link.offers) void this.#connect('call')
    else void this.#rejoin('aloud')
  }

  /** Our place is gone, but a call that runs does not need one to go on: it takes the next. */
  #evicted(): void {
    if (this.link.value?.alive !== true) return void this.#rejoin('quietly')
    this.#membership!.abandon()
    void this.#enter()
  }

  /**
   * Comes anew. Aloud tells the other side to do the same; quietly is for who has lost their place: whoever is there now may be
   * in a call that has nothing to do with us.
   */
  async #rejoin(how: 'aloud' | 'quietly'): Promise<void> {
    const membership = this.#membership
    if (membership === null) return
    this.#end()
    this.#alone.value = false
    await membership.leave(how)
    if (this.#membership === null && this.#stage.value === 'inside') await this.#enter()
  }

  #online(online: boolean, outageMs: number): void {
    this.signalingLost.value = !online
    if (!online) return
    const link = this.link.value
    // Back too late: the place is gone, unless the server gives it back to a call. Who waits is told to by its next message.
    const inCall = this.#hadCall.peek() && link?.described === true
    if (outageMs > this.#graceMs && !inCall) void this.#rejoin('quietly')
    else if (link?.alive === false) link.networkChanged()
  }

  #phase(): Phase {
    const stage = this.#stage.value
    if (stage !== 'inside') return stage
    if (this.#alone.value) return 'waiting'
    const condition = this.link.value?.condition.value ?? 'connecting'
    if (condition === 'connecting') return this.#hadCall.value ? 'reconnecting' : 'connecting'
    return condition === 'lost' ? 'reconnecting' : 'connected'
  }

  #tracks(): Tracks {
    return { audio: this.#sources.sound.value, video: this.#sources.picture.value }
  }

  #stop(stage: Stage, detail = ''): void {
    this.#end()
    this.detail.value = detail
    this.#stage.value = stage
  }

  #end(): void {
    this.#drop()
    this.#inbox = []
    this.#membership = null
    this.signalingLost.value = false
  }

  #drop(): void {
    clearTimeout(this.#again)
    this.#linking++
    this.link.value?.close()
    this.link.value = null
  }
}

function parsed(text: string): Message[] {
  const message = parseMessage(text)
  return message === null ? [] : [message]
}
