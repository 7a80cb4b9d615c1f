import type { Message } from '../room/message.ts'
import { announce, announced } from './announcement.ts'
import { type Encoding, encodingFor, type Sending } from './sending.ts'
import { type Reading, readStats } from './stats.ts'
import { parseSaying, type Saying } from './talk.ts'
import { described, preferCodecs, understood, type Wishes } from './wishes.ts'

export interface ConnectionEvents {
  send(message: Message): void
  /** The connection's state changed. */
  state(state: RTCPeerConnectionState): void
  /** Our offer has been answered. */
  answered(): void
  /** The other side can be talked to on the data channel. */
  talking(): void
  heard(saying: Saying): void
}

/** What we send; null where a device is off or missing. */
export interface Tracks {
  readonly audio: MediaStreamTrack | null
  readonly video: MediaStreamTrack | null
}

/**
 * One RTCPeerConnection, speaking AppRTC's messages. Sound and picture are negotiated once, whether or not there is a device
 * yet: phone apps don't expect a second offer, so everything later (camera on, screen) is a change of track.
 */
export class Connection {
  /** Everything the other side sends. */
  readonly remote = new MediaStream()
  /** Whether the other side is this page, too. */
  kindred = false
  /** Candidates of our own that the newest description has; none as long as the browser sees no network. */
  candidates = 0
  readonly #connection: RTCPeerConnection
  readonly #events: ConnectionEvents
  readonly #wishes: Wishes
  readonly #local = new MediaStream()
  #tracks: Tracks
  #sending: Sending = { dataUse: 'high', screen: false }
  #watched = true
  #channel: RTCDataChannel | null = null
  #early: RTCIceCandidateInit[] = []
  /** The number of the newest offer, ours or the other side's. */
  #offers = 0
  /** One step at a time: an answer must not be made while an offer is still being read. */
  #steps: Promise<void> = Promise.resolve()
  #limiting: Promise<void> = Promise.resolve()

  constructor(configuration: RTCConfiguration, tracks: Tracks, wishes: Wishes, events: ConnectionEvents) {
    this.#tracks = tracks
    this.#wishes = wishes
    this.#events = events
    this.#connection = new RTCPeerConnection(configuration)
    this.#connection.ontrack = ({ track }) => this.remote.addTrack(track)
    this.#connection.onicecandidate = ({ candidate }) => {
      if (candidate === null || candidate.candidate === '') return
      this.candidates++
      events.send({
        type: 'candidate',
        label: candidate.sdpMLineIndex ?? 0,
        id: candidate.sdpMid ?? '',
        candidate: candidate.candidate,
      })
    }
    this.#connection.onconnectionstatechange = () => events.state(this.#connection.connectionState)
  }

  get state(): RTCPeerConnectionState {
    return this.#connection.connectionState
  }

  /** Whether an offer or an answer of the other side is in place. */
  get described(): boolean {
    return this.#connection.remoteDescription !== null
  }

  /** Makes the offer. */
  call(): Promise<void> {
    return this.#step(async () => {
      for (const kind of ['audio', 'video'] as const) {
        this.#connection.addTransceiver(this.#tracks[kind] ?? kind, { direction: 'sendrecv', streams: [this.#local] })
      }
      preferCodecs(this.#connection, this.#wishes)
      await this.#offer({})
    })
  }

  /** Looks for a new path, with fresh relay credentials; an offer that nobody has answered is replaced. */
  restart(iceServers: RTCIceServer[]): Promise<void> {
    return this.#step(async () => {
      if (this.#connection.signalingState === 'have-remote-offer') return
      this.#connection.setConfiguration({ ...this.#connection.getConfiguration(), iceServers })
      await this.#offer({ iceRestart: true })
    })
  }

  /**
   * Opens the data channel to another such page, by a second offer: phone apps never see one with it. A second call changes
   * nothing.
   */
  openChannel(): Promise<void> {
    return this.#step(async () => {
      if (this.#channel !== null || this.#connection.signalingState !== 'stable') return
      this.#listen()
      await this.#offer({})
    })
  }

  /** Says something on the data channel; lost while there is none. */
  say(saying: Saying): void {
    if (this.#channel?.readyState === 'open') this.#channel.send(JSON.stringify(saying))
  }

  /** Says the offer again that has not been answered, with every candidate found since. */
  repeat(): Promise<void> {
    return this.#step(async () => {
      if (this.#connection.signalingState === 'have-local-offer') this.#describe('offer')
    })
  }

  /** Takes a message of the other side; an offer of a new path is answered with the servers of now. */
  receive(message: Message, servers: () => Promise<RTCIceServer[]>): Promise<void> {
    return this.#step(async () => {
      // Not from the description in place: browsers leave out what they don't know.
      if ('sdp' in message) this.kindred = announced(message.sdp) !== null
      if (message.type === 'offer') await this.#answer(message.sdp, servers)
      else if (message.type === 'answer') {
        if (this.#connection.signalingState !== 'have-local-offer') return
        // Of an offer that we have replaced since: the answer to the newer one is on its way, or will be asked for again.
        if ((announced(message.sdp) ?? this.#offers) !== this.#offers) return
        await this.#connection.setRemoteDescription({ type: 'answer', sdp: understood(message.sdp, this.#wishes) })
        await this.#limit()
        await this.#addEarlyCandidates()
        this.#events.answered()
      } else if (message.type === 'candidate') {
        const candidate = { candidate: message.candidate, sdpMid: message.id, sdpMLineIndex: message.label }
        if (this.described) await this.#add(candidate)
        else this.#early.push(candidate)
      }
    })
  }

  /** Whether this offer is of another connection than the one we have: its certificate differs. */
  isForeign(sdp: string): boolean {
    const known = this.#connection.remoteDescription
    return known !== null && fingerprints(known.sdp) !== fingerprints(sdp)
  }

  /** Sends other tracks from now on, without asking the other side. */
  async setTracks(tracks: Tracks): Promise<void> {
    this.#tracks = tracks
    for (const { sender, receiver } of this.#connection.getTransceivers()) {
      const track = tracks[receiver.track.kind as 'audio' | 'video']
      if (sender.track !== track) await sender.replaceTrack(track)
    }
    await this.#limit()
  }

  /** Sends the picture so from now on; not at all to a side that does not watch. */
  async setSending(sending: Sending, watched: boolean): Promise<void> {
    this.#sending = sending
    this.#watched = watched
    await this.#limit()
  }

  /**
   * Sends a whole picture: after an interruption the other side has nothing to build on, and asks for one only every few
   * seconds. Where the browser has no such option, it waits for that.
   */
  async refreshPicture(): Promise<void> {
    for (const { sender } of this.#connection.getTransceivers()) {
      if (sender.track?.kind !== 'video') continue
      const parameters = sender.getParameters()
      const encodingOptions = parameters.encodings.map(() => ({ keyFrame: true }))
      const setParameters = sender.setParameters.bind(sender) as (
        parameters: RTCRtpSendParameters,
        options: { encodingOptions: { keyFrame: boolean }[] },
      ) => Promise<void>
      // Refused while something else is being negotiated, after which a whole picture comes anyway.
      await setParameters(parameters, { encodingOptions }).catch(() => {})
    }
  }

  async reading(): Promise<Reading> {
    return readStats((await this.#connection.getStats()) as unknown as Map<string, Record<string, unknown>>)
  }

  close(): void {
    this.#connection.onconnectionstatechange = null
    this.#connection.onicecandidate = null
    this.#connection.close()
  }

  async #offer(options: RTCOfferOptions): Promise<void> {
    if (options.iceRestart) this.candidates = 0
    const offer = await this.#connection.createOffer(options)
    await this.#connection.setLocalDescription(offer)
    this.#offers++
    this.#describe('offer')
  }

  async #answer(sdp: string, servers: () => Promise<RTCIceServer[]>): Promise<void> {
    const number = announced(sdp)
    const again = number !== null && number === this.#offers && this.#connection.signalingState === 'stable'
    // Our answer got lost. Only what it says is wanted again: a second negotiation of the same offer changes nothing.
    if (again) return this.#describe('answer')
    if (number !== null && number < this.#offers) return
    const known = this.#connection.remoteDescription
    // Relay credentials run out, and those of before a restart of the server are worth nothing.
    if (known !== null && ufrag(known.sdp) !== ufrag(sdp)) {
      this.#connection.setConfiguration({ ...this.#connection.getConfiguration(), iceServers: await servers() })
      this.candidates = 0
    }
    if (number !== null && /^m=application /m.test(sdp)) this.#listen()
    await this.#connection.setRemoteDescription({ type: 'offer', sdp: understood(sdp, this.#wishes) })
    this.#offers = number ?? this.#offers + 1
    await this.#addEarlyCandidates()
    const used = new Set<string>()
    for (const transceiver of this.#connection.getTransceivers()) {
      const kind = transceiver.receiver.track.kind as 'audio' | 'video'
      if (used.has(kind)) continue
      used.add(kind)
      transceiver.direction = 'sendrecv'
      // Without a stream id the older phone apps show nothing. Firefox before 113 lacks the call.
      transceiver.sender.setStreams?.(this.#local)
      await transceiver.sender.replaceTrack(this.#tracks[kind])
    }
    preferCodecs(this.#connection, this.#wishes)
    const answer = await this.#connection.createAnswer()
    await this.#connection.setLocalDescription(answer)
    await this.#limit()
    this.#describe('answer')
  }

  /** Both sides make the channel with the same number, so neither waits for the other's. */
  #listen(): void {
    if (this.#channel !== null) return
    const channel = this.#connection.createDataChannel('talk', { negotiated: true, id: 0 })
    this.#channel = channel
    channel.onopen = () => this.#events.talking()
    channel.onmessage = ({ data }) => {
      const saying = parseSaying(data)
      if (saying !== null) this.#events.heard(saying)
    }
  }

  /** One at a time: parameters that were read before another change are refused. */
  #limit(): Promise<void> {
    this.#limiting = this.#limiting.then(() => this.#setLimits())
    return this.#limiting
  }

  async #setLimits(): Promise<void> {
    for (const { sender } of this.#connection.getTransceivers()) {
      const { track } = sender
      if (track === null) continue
      const kind = track.kind as 'audio' | 'video'
      const kbps = this.#wishes.sendKbps[kind]
      if (kind === 'audio' && kbps === null) continue
      const wanted = kind === 'audio' ? {} : encodingFor(this.#sending, this.#watched, track.getSettings().height)
      const parameters = sender.getParameters()
      // Without an encoding nothing is negotiated yet, and Firefox before 110 lets nobody limit it.
      if (parameters.encodings?.length !== 1) continue
      parameters.encodings = [limited(parameters.encodings[0]!, wanted, kbps === null ? null : kbps * 1000)]
      // Refused while something else is being negotiated, after which this is called again.
      await sender.setParameters(parameters).catch(() => {})
    }
  }

  #describe(type: 'offer' | 'answer'): void {
    const sdp = described(this.#connection.localDescription!.sdp, this.#wishes)
    this.#events.send({ type, sdp: announce(sdp, this.#offers) })
  }

  async #addEarlyCandidates(): Promise<void> {
    const early = this.#early
    this.#early = []
    for (const candidate of early) await this.#add(candidate)
  }

  async #add(candidate: RTCIceCandidateInit): Promise<void> {
    try {
      await this.#connection.addIceCandidate(candidate)
    } catch {
      // Of an earlier offer, or of a kind this browser doesn't know: the others are enough, or the connection fails visibly.
    }
  }

  /** A step that fails leaves the connection unusable, so it counts as a failed connection. */
  #step(work: () => Promise<void>): Promise<void> {
    this.#steps = this.#steps.then(async () => {
      if (this.#connection.signalingState === 'closed') return
      try {
        await work()
      } catch {
        if ((this.#connection.signalingState as RTCSignalingState) !== 'closed') this.#events.state('failed')
      }
    })
    return this.#steps
  }
}

/** The encoding as it is wanted, and at most with this bitrate; what is undefined has no limit. */
function limited(
  encoding: RTCRtpEncodingParameters,
  wanted: Partial<Encoding>,
  most: number | null,
): RTCRtpEncodingParameters {
  const bitrates = [wanted.maxBitrate, most].filter((bitrate) => typeof bitrate === 'number')
  const maxBitrate = bitrates.length === 0 ? undefined : Math.min(...bitrates)
  const entries = Object.entries({ ...encoding, ...wanted, maxBitrate })
  return Object.fromEntries(entries.filter(([, value]) => value !== undefined))
}

function fingerprints(sdp: string): string {
  return [...new Set(sdp.match(/^a=fingerprint:.*$/gm)?.map((line) => line.trim().toLowerCase()))].sort().join()
}

function ufrag(sdp: string): string | undefined {
  return /^a=ice-ufrag:(.*)$/m.exec(sdp)?.[1]?.trim()
}
