import { randomBytes } from 'node:crypto'
import { connect as connectSocket, type Socket } from 'node:net'
import { connect as connectSecurely } from 'node:tls'
import { onTestFinished } from 'vitest'
import { Attribute, Method } from '../../src/stun/constants.ts'
import { StunMessage } from '../../src/stun/message.ts'
import { frameLength } from '../../src/turn/framing.ts'
import { connectDtls } from './dtls-client.ts'
import { rawMessage } from './raw-message.ts'
import { Inbox, StreamClient, UdpClient } from './sockets.ts'
import { Answer, channelData, type Login, type RequestOptions, TurnClient, type Write } from './turn-client.ts'
import { addressOf, udp } from './turn-world.ts'

export interface Connection {
  readonly port: number
  readonly login?: Login | null
  /** The client's address; each of 127.0.0.0/8 is a source of its own. */
  readonly from?: string
  /** The server's address. */
  readonly to?: string
}

interface Wire {
  readonly send: (bytes: Buffer) => void
  readonly close: () => void
  readonly closed: Promise<void>
}

/** A TURN client of the running server, with a socket of its own that is closed when the test ends. */
export class NetworkClient extends TurnClient {
  readonly answers = new Inbox<Answer>()
  /** ChannelData and Data indications, as they came. */
  readonly data = new Inbox<Buffer>()
  /** All bytes that have come. */
  receivedBytes = 0
  readonly send: (bytes: Buffer) => void
  /** Breaks the connection off; over UDP there is none. */
  readonly close: () => void
  /** Resolves when the connection is over; never over UDP. */
  readonly closed: Promise<void>

  private constructor(login: Login | null | undefined, connect: (arrived: (bytes: Buffer) => void) => Wire) {
    super(login ?? null)
    const { send, close, closed } = connect((bytes) => this.#arrived(bytes))
    this.send = send
    this.close = close
    this.closed = closed
  }

  static async udp({ port, login, from, to = '127.0.0.1' }: Connection): Promise<NetworkClient> {
    const { socket } = await UdpClient.open(from)
    return new NetworkClient(login, (arrived) => {
      socket.on('message', arrived)
      return { send: (bytes) => socket.send(bytes, port, to), close: () => {}, closed: new Promise(() => {}) }
    })
  }

  static tcp({ port, login, from = '127.0.0.1', to = '127.0.0.1' }: Connection): Promise<NetworkClient> {
    const socket = connectSocket({ port, host: to, localAddress: from, noDelay: true })
    return NetworkClient.#stream(socket, 'connect', login)
  }

  static tls({ port, login, from = '127.0.0.1', to = '127.0.0.1' }: Connection): Promise<NetworkClient> {
    const socket = connectSocket({ port, host: to, localAddress: from, noDelay: true })
    return NetworkClient.#stream(connectSecurely({ socket, rejectUnauthorized: false }), 'secureConnect', login)
  }

  /** By the openssl program, always from 127.0.0.1. */
  static async dtls({ port, login }: Connection): Promise<NetworkClient> {
    const session = await connectDtls(port)
    return new NetworkClient(login, (arrived) => {
      session.onDatagram = arrived
      return { send: (bytes) => session.send(bytes), close: () => session.close(), closed: session.closed }
    })
  }

  static async #stream(socket: Socket, ready: string, login: Login | null | undefined): Promise<NetworkClient> {
    onTestFinished(() => void socket.destroy())
    await new Promise<void>((resolve, reject) => socket.once(ready, resolve).once('error', reject))
    return new NetworkClient(login, (arrived) => {
      let rest = Buffer.alloc(0)
      socket.on('data', (bytes: Buffer) => {
        rest = Buffer.concat([rest, bytes])
        let length = frameLength(rest, 0, rest.length)
        for (; length > 0 && length <= rest.length; length = frameLength(rest, 0, rest.length)) {
          arrived(rest.subarray(0, length))
          rest = rest.subarray(length)
        }
      })
      return {
        send: (bytes) => socket.write(bytes),
        close: () => socket.destroy(),
        closed: new StreamClient(socket).closed,
      }
    })
  }

  /** One request as it is, and the next answer. */
  ask(method: number, write?: Write, options?: RequestOptions): Promise<Answer> {
    this.send(this.request(method, write, options))
    return this.answers.next()
  }

  /** Meets the challenge: requests are signed from now on. */
  async greet(): Promise<this> {
    this.learn(await this.ask(Method.ALLOCATE, udp, { login: null }))
    return this
  }

  async allocate(write: Write = () => {}, options?: RequestOptions): Promise<Answer> {
    if (this.nonce === null && this.login !== null) await this.greet()
    return this.ask(Method.ALLOCATE, (writer) => write(udp(writer)), options)
  }

  refresh(lifetime: number, options?: RequestOptions): Promise<Answer> {
    return this.ask(Method.REFRESH, (writer) => writer.uint32(Attribute.LIFETIME, lifetime), options)
  }

  permit(...peers: string[]): Promise<Answer> {
    return this.ask(Method.CREATE_PERMISSION, (writer) => {
      for (const peer of peers) writer.xorAddress(Attribute.XOR_PEER_ADDRESS, addressOf(peer))
    })
  }

  bind(number: number, peer: string): Promise<Answer> {
    return this.ask(Method.CHANNEL_BIND, (writer) =>
      writer.uint32(Attribute.CHANNEL_NUMBER, number * 0x10000).xorAddress(Attribute.XOR_PEER_ADDRESS, addressOf(peer)),
    )
  }

  sendTo(peer: string, data: string): void {
    this.send(
      this.indication(Method.SEND, (writer) =>
        writer.xorAddress(Attribute.XOR_PEER_ADDRESS, addressOf(peer)).bytes(Attribute.DATA, Buffer.from(data)),
      ),
    )
  }

  /** Padded, as a stream needs it. */
  sendOn(channel: number, data: string): void {
    this.send(channelData(channel, Buffer.from(data), -data.length & 3))
  }

  /** The answers to `messages`, in the order in which they come, until a Binding request behind them is answered. */
  async answersTo(...messages: readonly Buffer[]): Promise<Answer[]> {
    for (const bytes of messages) this.send(bytes)
    const id = randomBytes(12)
    this.send(rawMessage(0x0001, [], id))
    const answers: Answer[] = []
    for (;;) {
      const answer = await this.answers.next()
      if (answer.message.transactionId().equals(id)) return answers
      answers.push(answer)
    }
  }

  /** Waits until all that was sent so far has been handled. */
  async settled(): Promise<void> {
    await this.answersTo()
  }

  #arrived(bytes: Buffer): void {
    this.receivedBytes += bytes.length
    const message = StunMessage.parse(bytes, 0, bytes.length)
    if (message !== null && message.messageClass >= 0x100) this.answers.push(new Answer(bytes))
    else this.data.push(bytes)
  }
}
