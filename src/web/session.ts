import { effect, signal } from '@preact/signals'
import { filterByTransport, parseIceServers } from './link/ice-servers.ts'
import { Peer } from './link/peer.ts'
import type { Path } from './link/stats.ts'
import type { LocalMedia } from './media/media.ts'
import { type Message, parseMessage } from './room/message.ts'
import { rememberRoom } from './room/room-name.ts'
import { type JoinParameters, Signaling } from './room/signaling.ts'
import { settings } from './settings.ts'

export type Phase =
  | 'idle'
  | 'joining'
  | 'waiting'
  | 'connecting'
  | 'connected'
  | 'reconnecting'
  | 'full'
  | 'unreachable'
  | 'refused'
  | 'ended'

/** How long a broken connection may take to find a new path before we take our place in the room anew. */
const repairMs = 15_000
/** A short gap heals by itself; after this long we look for another path without waiting for the browser to give up. */
const patienceMs = 4000
/** Longer than any browser needs to connect or to say that it can't. */
const connectMs = 30_000
/** How long a place is kept without a WebSocket where the join answer does not say it: Collider's reconnect time. */
const colliderGraceSeconds = 10
/** A call without relay starts late rather than never. */
const iceServersMs = 5000
const retryMs = 3000
const readingMs = 1000

/** One call: joins the room, connects to whoever is there, and repairs what breaks. */
export class Session {
  readonly phase = signal<Phase>('idle')
  /** The address or the reason that goes with `unreachable` and `refused`. */
  readonly detail = signal('')
  readonly peerLeft = signal(false)
  readonly signalingLost = signal(false)
  readonly noRelay = signal(false)
  /** There is somebody, but no path to them has been found so far. */
  readonly noPath = signal(false)
  readonly remote = signal<MediaStream | null>(null)
  readonly remotePicture = signal(true)
  readonly path = signal<Path | null>(null)
  readonly roundTripMs = signal<number | null>(null)
  readonly room: string
  readonly #media: LocalMedia
  #signaling: Signaling | null = null
  #parameters: JoinParameters | null = null
  #peer: Peer | null = null
  /** What came before the connection was ready to take it. */
  #inbox: Message[] = []
  #repair: ReturnType<typeof setTimeout> | undefined
  #repairedAt = Number.NEGATIVE_INFINITY
  #readings: ReturnType<typeof setInterval> | undefined

  constructor(room: string, media: LocalMedia) {
    this.room = room
    this.#media = media
    effect(() => {
      const tracks = { audio: media.microphone.value, video: media.picture.value }
      void this.#peer?.setTracks(tracks)
    })
  }

  async join(): Promise<void> {
    this.phase.value = 'joining'
    this.peerLeft.value = false
    this.noPath.value = false
    // Not awaited: a permission question must not keep anybody waiting, and tracks may come later.
    void this.#media.reopen()
    await this.#enter()
  }

  async hangUp(): Promise<void> {
    const signaling = this.#signaling
    this.#end()
    this.#media.close()
    this.phase.value = 'ended'
    await signaling?.leave()
  }

  /** The page is going away. */
  leaveAtOnce(): void {
    this.#signaling?.leaveAtOnce()
  }

  async #enter(): Promise<void> {
    const signaling = new Signaling(this.room, location.search, {
      message: (message) => this.#receive(message),
      online: (online, outageMs) => this.#online(online, outageMs),
      evicted: () => void this.#rejoin(),
    })
    this.#signaling = signaling
    const outcome = await signaling.join()
    if (this.#signaling !== signaling) return
    if (outcome.kind === 'unreachable' && this.phase.value === 'reconnecting') {
      this.#repair = setTimeout(() => void this.#enter(), retryMs)
      return
    }
    if (outcome.kind === 'full') return this.#stop('full')
    if (outcome.kind === 'unreachable') return this.#stop('unreachable', location.host)
    if (outcome.kind === 'refused') return this.#stop('refused', outcome.reason)
    const { parameters } = outcome
    rememberRoom(settings, this.room)
    this.#parameters = parameters
    if (parameters.error_messages?.length) {
      void signaling.leave()
      return this.#stop('refused', parameters.error_messages.join(' '))
    }
    const registered = await signaling.connect()
    if (this.#signaling !== signaling) return
    if (!registered && this.phase.value !== 'reconnecting') {
      void signaling.leave()
      return this.#stop('unreachable', parameters.wss_url)
    }
    const offers = signaling.initiator ? [] : parameters.messages
    for (const text of [...offers].reverse()) this.#inbox.unshift(...parsed(text))
    await this.#start(signaling.initiator ? 'waiting' : 'connecting')
  }

  /** A new connection; the initiator calls, the other one takes what is in the inbox. */
  async #start(phase: 'waiting' | 'connecting'): Promise<void> {
    const signaling = this.#signaling
    this.#dropPeer()
    this.phase.value = phase
    // An offer that never comes, or comes from somebody who is gone, must not keep us here.
    if (phase === 'connecting') {
      this.#repair = setTimeout(() => {
        this.noPath.value = true
        void this.#rejoin()
      }, connectMs)
    }
    const iceServers = await this.#iceServers()
    if (signaling === null || this.#signaling !== signaling || this.#peer !== null) return
    const tracks = { audio: this.#media.microphone.value, video: this.#media.picture.value }
    const peer: Peer = new Peer(this.#configuration(iceServers), tracks, {
      send: (message) => void signaling.send(message),
      state: (state) => {
        if (this.#peer === peer) this.#peerState(state)
      },
    })
    this.#peer = peer
    this.remote.value = peer.remote
    if (signaling.initiator) await peer.call()
    const inbox = this.#inbox
    this.#inbox = []
    for (const message of inbox) this.#receive(message)
  }

  #receive(message: Message): void {
    if (message.type === 'bye') {
      this.#inbox = []
      this.noPath.value = false
      this.peerLeft.value = true
      this.#signaling!.initiator = true
      void this.#start('waiting')
      return
    }
    const peer = this.#peer
    if (peer === null) {
      this.#inbox.push(message)
      return
    }
    if (message.type === 'offer' && (peer.answered ? peer.isForeign(message.sdp) : this.#signaling!.initiator)) {
      // Somebody else's connection: the other side started anew and its bye was lost. Its offer makes us the one who answers.
      this.#signaling!.initiator = false
      this.#inbox = [message]
      void this.#start('connecting')
      return
    }
    if (message.type === 'offer' || message.type === 'answer') {
      this.peerLeft.value = false
      if (this.phase.value === 'waiting') this.phase.value = 'connecting'
    }
    void peer.receive(message)
  }

  #peerState(state: RTCPeerConnectionState): void {
    if (state === 'connected') {
      clearTimeout(this.#repair)
      this.phase.value = 'connected'
      this.peerLeft.value = false
      this.noPath.value = false
      this.#watch()
    } else if (state === 'disconnected' && this.phase.value === 'connected') {
      this.phase.value = 'reconnecting'
      clearTimeout(this.#repair)
      this.#repair = setTimeout(() => void this.#repairPath(), patienceMs)
    } else if (state === 'failed') {
      if (this.phase.value === 'connecting') this.noPath.value = true
      this.phase.value = 'reconnecting'
      clearTimeout(this.#repair)
      // Where there is no path at all, each new try fails at once.
      const delay = Math.max(0, this.#repairedAt + retryMs - performance.now())
      this.#repair = setTimeout(() => void this.#repairPath(), delay)
    }
  }

  /** Only the initiator offers again; who waits in vain for that offer takes a new place. */
  async #repairPath(): Promise<void> {
    clearTimeout(this.#repair)
    this.#repair = setTimeout(() => void this.#rejoin(), repairMs)
    this.#repairedAt = performance.now()
    const peer = this.#peer
    if (this.#signaling?.initiator !== true || peer === null) return
    const iceServers = await this.#iceServers()
    if (this.#peer === peer) await peer.restart(iceServers)
  }

  async #rejoin(): Promise<void> {
    const signaling = this.#signaling
    if (signaling === null) return
    this.#end()
    this.phase.value = 'reconnecting'
    await signaling.leave()
    if (this.#signaling === null && this.phase.value === 'reconnecting') await this.#enter()
  }

  #online(online: boolean, outageMs: number): void {
    this.signalingLost.value = !online
    // Back too late: the place is gone. A call that still runs is left alone, its next message will show.
    if (online && outageMs > this.#graceMs() && this.phase.value !== 'connected') void this.#rejoin()
  }

  /** 0 seconds are without end, like every time in the server's configuration. */
  #graceMs(): number {
    const seconds = this.#parameters?.room_grace_seconds ?? colliderGraceSeconds
    return seconds === 0 ? Number.POSITIVE_INFINITY : seconds * 1000
  }

  #configuration(iceServers: RTCIceServer[]): RTCConfiguration {
    const config = this.#peerConfig()
    const policy = config['iceTransports'] ?? config['iceTransportPolicy']
    return {
      iceServers,
      bundlePolicy: 'max-bundle',
      rtcpMuxPolicy: 'require',
      iceTransportPolicy: policy === 'relay' ? 'relay' : 'all',
    }
  }

  async #iceServers(): Promise<RTCIceServer[]> {
    const { ice_server_url = '', ice_server_transports = '' } = this.#parameters ?? {}
    let servers = parseIceServers(this.#peerConfig())
    if (servers.length === 0 && ice_server_url !== '') {
      try {
        const response = await fetch(ice_server_url, {
          method: 'POST',
          cache: 'no-store',
          signal: AbortSignal.timeout?.(iceServersMs) ?? null,
        })
        if (response.ok) servers = parseIceServers(await response.json())
      } catch {
        // Counted as none below: a call without relay still works in most networks.
      }
    }
    const usable = filterByTransport(servers, ice_server_transports)
    this.noRelay.value = !usable.some(({ urls }) => [urls].flat().some((url) => /^turns?:/i.test(url)))
    return usable
  }

  #peerConfig(): Record<string, unknown> {
    try {
      return (JSON.parse(this.#parameters?.pc_config ?? '{}') as Record<string, unknown>) ?? {}
    } catch {
      return {}
    }
  }

  #watch(): void {
    clearInterval(this.#readings)
    let frames = -1
    let still = 0
    const look = async () => {
      const peer = this.#peer
      if (peer === null) return
      const reading = await peer.reading()
      if (this.#peer !== peer) return
      this.path.value = reading.path
      this.roundTripMs.value = reading.roundTripMs
      still = reading.framesDecoded > frames ? 0 : still + 1
      frames = reading.framesDecoded
      // A decoder takes a moment to begin, and a camera that is off stays off: two looks tell them apart.
      this.remotePicture.value = still < 2
    }
    this.#readings = setInterval(() => void look(), readingMs)
    void look()
  }

  #stop(phase: Phase, detail = ''): void {
    this.#end()
    this.detail.value = detail
    this.phase.value = phase
  }

  #end(): void {
    this.#dropPeer()
    this.#inbox = []
    this.#signaling = null
    this.signalingLost.value = false
  }

  #dropPeer(): void {
    clearTimeout(this.#repair)
    clearInterval(this.#readings)
    this.#peer?.close()
    this.#peer = null
    this.remote.value = null
    this.remotePicture.value = true
    this.path.value = null
    this.roundTripMs.value = null
  }
}

function parsed(text: string): Message[] {
  const message = parseMessage(text)
  return message === null ? [] : [message]
}
