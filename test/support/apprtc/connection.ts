/** What AppRTC's clients say to each other (spec of the originals: offer, answer, candidate, remove-candidates, bye). */
export interface SignalingMessage {
  readonly type: string
  readonly sdp?: string
  readonly label?: number
  readonly id?: string
  readonly candidate?: string
}

export interface CallEvents {
  send(message: SignalingMessage): void
  hungUp(): void
  /** What the connection cannot take of the other side's; never after its end. */
  failed(error: unknown): void
}

/**
 * The peer connection of one call, driven as the original page drives it: a remote description is taken before candidates,
 * whatever order they come in, and with `it=relay` only relayed candidates are told to the other side. Runs in browsers and
 * in Node, on whichever `RTCPeerConnection` it is given.
 */
export class CallConnection {
  readonly pc: RTCPeerConnection
  readonly #initiator: boolean
  readonly #relayOnly: boolean
  readonly #events: CallEvents
  #queue: SignalingMessage[] = []
  #started = false
  #hasRemoteSdp = false
  #steps: Promise<void> = Promise.resolve()

  constructor(pc: RTCPeerConnection, initiator: boolean, relayOnly: boolean, events: CallEvents) {
    this.pc = pc
    this.#initiator = initiator
    this.#relayOnly = relayOnly
    this.#events = events
    pc.onicecandidate = ({ candidate }) => {
      if (candidate === null || candidate.candidate === '') return
      if (this.#relayOnly && !candidate.candidate.includes(' typ relay')) return
      this.#events.send({
        type: 'candidate',
        label: candidate.sdpMLineIndex ?? 0,
        id: candidate.sdpMid ?? '',
        candidate: candidate.candidate,
      })
    }
  }

  startAsCaller(): void {
    this.#started = true
    this.#next(async () => this.#describe(await this.pc.createOffer()))
    this.#drain()
  }

  startAsCallee(messages: readonly string[]): void {
    this.#started = true
    for (const text of messages) this.#enqueue(JSON.parse(text) as SignalingMessage)
    this.#drain()
  }

  receive(message: SignalingMessage): void {
    if (message.type === 'bye') this.#events.hungUp()
    else this.#enqueue(message)
    this.#drain()
  }

  close(): void {
    this.pc.onicecandidate = null
    this.pc.close()
  }

  #enqueue(message: SignalingMessage): void {
    if (message.type === (this.#initiator ? 'answer' : 'offer')) {
      this.#hasRemoteSdp = true
      this.#queue.unshift(message)
    } else if (message.type === 'candidate') this.#queue.push(message)
  }

  #drain(): void {
    if (!this.#started || !this.#hasRemoteSdp) return
    for (const message of this.#queue.splice(0)) this.#next(() => this.#process(message))
  }

  /** One step after the other. */
  #next(step: () => Promise<void>): void {
    this.#steps = this.#steps.then(step).catch((error: unknown) => {
      if (this.pc.signalingState !== 'closed') this.#events.failed(error)
    })
  }

  async #process(message: SignalingMessage): Promise<void> {
    if (message.type === 'candidate') {
      await this.pc.addIceCandidate({ sdpMLineIndex: message.label!, candidate: message.candidate! })
    } else if (message.type === 'offer' && this.pc.signalingState === 'stable') {
      await this.pc.setRemoteDescription({ type: 'offer', sdp: message.sdp! })
      await this.#describe(await this.pc.createAnswer())
    } else if (message.type === 'answer' && this.pc.signalingState === 'have-local-offer')
      await this.pc.setRemoteDescription({ type: 'answer', sdp: message.sdp! })
  }

  async #describe(description: RTCSessionDescriptionInit): Promise<void> {
    await this.pc.setLocalDescription(description)
    this.#events.send({ type: description.type, sdp: description.sdp! })
  }
}

/** How one side of a connection gets through: the type of its own candidate, and what it speaks to its relay. */
export async function selectedPath(pc: RTCPeerConnection): Promise<{ local: string; relay: string }> {
  const entries = new Map<string, Record<string, unknown>>()
  const report = await pc.getStats()
  report.forEach((entry: Record<string, unknown>, id: string) => void entries.set(id, entry))
  const pairs = [...entries.values()].filter(({ type }) => type === 'candidate-pair')
  const transport = [...entries.values()].find(({ type }) => type === 'transport')
  const pair =
    entries.get(String(transport?.['selectedCandidatePairId'])) ?? pairs.find(({ nominated }) => nominated === true)
  const local = entries.get(String(pair?.['localCandidateId']))
  return { local: String(local?.['candidateType']), relay: String(local?.['relayProtocol'] ?? '') }
}
