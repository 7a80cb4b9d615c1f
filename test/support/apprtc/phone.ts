import wrtc from '@roamhq/wrtc'
import { expect } from 'vitest'
import { WebSocket } from 'ws'
import { CallConnection, type SignalingMessage } from './connection.ts'
import type { JoinParameters, PhoneGeneration } from './phone-generations.ts'

/** AppRTC's phone app of one generation, after its published behaviour, with libwebrtc as the real ones. */
export class Phone {
  /** What the app shows. */
  state = 'joining'
  readonly #generation: PhoneGeneration
  readonly #roomServer: string
  readonly #room: string
  #joined: JoinParameters | undefined
  #socket: WebSocket | undefined
  #connection: CallConnection | undefined
  #initiator = false
  #early: SignalingMessage[] = []

  constructor(generation: PhoneGeneration, roomServer: string, room: string) {
    this.#generation = generation
    this.#roomServer = roomServer
    this.#room = room
  }

  /** Returns once it calls, or waits; throws what the app would show as an error. */
  async join(): Promise<void> {
    const { joinPath, needs, headers } = this.#generation
    const answer = await this.#request(`${joinPath}/${this.#room}`, '', headers)
    const { result, params } = (await answer.json()) as { result: string; params: JoinParameters }
    if (result !== 'SUCCESS') {
      this.state = result
      return
    }
    for (const key of needs) if (typeof params[key] !== 'string') throw new Error(`no ${key} in the join answer`)
    this.#joined = params
    this.#initiator = String(params.is_initiator) === 'true'
    const iceServers = await this.#generation.iceServers(this.#roomServer, params)
    await this.#openSocket(params)
    this.#start(iceServers, params.messages ?? [])
  }

  /** Android tells the room server and the other side at the same time; iOS waits for the room server. */
  async hangUp(): Promise<void> {
    const { leavePath, headers, strict } = this.#generation
    this.#disconnect('hung up')
    const left = this.#request(`${leavePath}/${this.#room}/${this.#joined!.client_id}`, '', headers)
    if (!strict) await left
    this.#sendToCollider({ type: 'bye' })
    const forgotten = await fetch(this.#postUrl(), { method: 'DELETE' })
    expect([(await left).status, forgotten.status]).toEqual([200, 200])
    this.#socket?.close()
  }

  /** The system ends the app: the socket breaks, and nobody says anything. */
  kill(): void {
    this.#disconnect('killed')
    this.#socket?.terminate()
  }

  async shows(state: string): Promise<void> {
    await expect.poll(() => this.state, { timeout: 20_000, interval: 50 }).toBe(state)
  }

  async #openSocket({ wss_url, client_id }: JoinParameters): Promise<void> {
    // Each library names an origin, without which the original Collider lets nobody in.
    const socket = new WebSocket(wss_url, {
      origin: this.#roomServer,
      perMessageDeflate: false,
      headers: this.#generation.headers,
    })
    this.#socket = socket
    socket.on('message', (data) => this.#frame(data.toString()))
    await new Promise((opened, failed) => {
      socket.once('open', opened)
      socket.once('error', failed)
    })
    socket.on('error', () => {})
    socket.on('close', () => this.#disconnect('the server closed the socket'))
    socket.send(this.#text({ cmd: 'register', roomid: this.#room, clientid: client_id }))
  }

  #start(iceServers: RTCIceServer[], messages: readonly string[]): void {
    const pc: RTCPeerConnection = new wrtc.RTCPeerConnection({ iceServers, bundlePolicy: 'max-bundle' })
    pc.addTrack(new wrtc.nonstandard.RTCAudioSource().createTrack())
    pc.oniceconnectionstatechange = () => {
      if (/^(connected|completed)$/.test(pc.iceConnectionState) && this.state === 'calling') this.state = 'connected'
    }
    this.state = 'calling'
    this.#connection = new CallConnection(pc, this.#initiator, false, {
      send: (message) => this.#send(message),
      hungUp: () => this.#disconnect('the other side hung up'),
      failed: (error) => this.#fail(String(error)),
    })
    if (this.#initiator) this.#connection.startAsCaller()
    else this.#connection.startAsCallee(messages)
    for (const message of this.#early.splice(0)) this.#receive(message)
  }

  #frame(frame: string): void {
    const { msg, error } = JSON.parse(frame) as { msg?: unknown; error?: unknown }
    // Android ends the call at an error; iOS writes it into its log.
    if (typeof msg !== 'string') this.#fail(`a frame without a text: ${frame}`)
    else if (msg !== '') this.#receive(JSON.parse(msg) as SignalingMessage)
    else if (this.#generation.strict) this.#fail(`the signaling server says: ${error}`)
  }

  #receive(message: SignalingMessage): void {
    if (this.#connection === undefined) {
      this.#early.push(message)
      return
    }
    const unexpected = message.type === (this.#initiator ? 'offer' : 'answer')
    const known = /^(offer|answer|candidate|remove-candidates|bye)$/.test(message.type)
    if (this.#generation.strict && (unexpected || !known)) this.#fail(`${message.type} is not expected`)
    else this.#connection.receive(message)
  }

  #send(message: SignalingMessage): void {
    if (this.#initiator) void this.#post(message)
    else this.#sendToCollider(message)
  }

  /** Anything but SUCCESS ends the call. */
  async #post(message: SignalingMessage): Promise<void> {
    const answer = await this.#request(`message/${this.#room}/${this.#joined!.client_id}`, this.#text(message), {
      ...this.#generation.headers,
      'Content-Type': this.#generation.messageType,
    })
    const text = await answer.text()
    const result = answer.status === 200 ? (JSON.parse(text) as { result: string }).result : answer.status
    if (result !== 'SUCCESS') this.#fail(`message: ${result}`)
  }

  #sendToCollider(message: SignalingMessage): void {
    const msg = this.#text(message)
    if (this.#socket?.readyState === WebSocket.OPEN) this.#socket.send(this.#text({ cmd: 'send', msg }))
    else void fetch(this.#postUrl(), { method: 'POST', body: msg })
  }

  #postUrl(): string {
    return `${this.#joined!.wss_post_url}/${this.#room}/${this.#joined!.client_id}`
  }

  #request(path: string, body: string, headers: Readonly<Record<string, string>>): Promise<Response> {
    return fetch(`${this.#roomServer}/${path}`, { method: 'POST', body, headers })
  }

  #text(value: object): string {
    return JSON.stringify(value, null, this.#generation.indent)
  }

  #fail(reason: string): void {
    this.#disconnect(`error: ${reason}`)
  }

  #disconnect(state: string): void {
    if (/^(hung up|killed|error|the )/.test(this.state)) return
    this.state = state
    this.#connection?.close()
  }
}
