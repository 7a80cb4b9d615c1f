import { once } from 'node:events'
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net'
import { onTestFinished } from 'vitest'
import { Attribute, Method } from '../../src/stun/constants.ts'
import { StunMessage } from '../../src/stun/message.ts'
import { NetworkClient } from './network-client.ts'
import { testUser } from './server.ts'
import { connectTcp, connectTls, Inbox, StreamClient } from './sockets.ts'
import { Answer, TurnClient, type Write } from './turn-client.ts'
import { addressOf } from './turn-world.ts'

const login = { username: testUser.name, password: testUser.password }
const OVER = { tcp: connectTcp, tls: connectTls } as const
const TCP = 6 * 0x1000000

/** Where a server answers, ours or another, to whom the user of the tests may log in. */
export interface StreamPorts {
  readonly ports: { readonly tcp: number; readonly tls: number }
}

/** A TCP allocation and the connection that controls it. */
export class TcpAllocation {
  readonly client: NetworkClient
  /** `host:port` of the relay. */
  readonly relayed: string

  private constructor(client: NetworkClient, relayed: string) {
    this.client = client
    this.relayed = relayed
  }

  static async open(server: StreamPorts, over: 'tcp' | 'tls' = 'tcp', from = '127.0.0.1'): Promise<TcpAllocation> {
    const client = await NetworkClient[over]({ port: server.ports[over], login, from })
    await client.greet()
    const answer = await client.ask(Method.ALLOCATE, (writer) => writer.uint32(Attribute.REQUESTED_TRANSPORT, TCP))
    if (answer.code !== 200) throw new Error(`Allocate: ${answer.code}`)
    return new TcpAllocation(client, String(answer.address(Attribute.XOR_RELAYED_ADDRESS)))
  }

  connect(peer: string): Promise<Answer> {
    return this.client.ask(Method.CONNECT, (writer) => writer.xorAddress(Attribute.XOR_PEER_ADDRESS, addressOf(peer)))
  }

  /** The id of the next connection that a peer has begun. */
  async attempt(): Promise<{ readonly id: number; readonly peer: string }> {
    const answer = new Answer(await this.client.data.next())
    return { id: idOf(answer), peer: String(answer.address(Attribute.XOR_PEER_ADDRESS)) }
  }
}

export function idOf({ message }: Answer): number {
  const id = message.uint32(Attribute.CONNECTION_ID)
  if (id === null)
    throw new Error(`no CONNECTION-ID in 0x${message.type.toString(16)} ${new Answer(message.bytes).code}`)
  return id
}

/** A connection that becomes a data connection: STUN first, and then whatever the peer says. */
export class DataStream extends TurnClient {
  readonly stream: StreamClient

  private constructor(stream: StreamClient) {
    super(login)
    this.stream = stream
  }

  static async open(server: StreamPorts, over: 'tcp' | 'tls' = 'tcp'): Promise<DataStream> {
    return new DataStream(await OVER[over](server.ports[over]))
  }

  /** Binds it, in one write with the first bytes for the peer. */
  static async bound(server: StreamPorts, id: number, over: 'tcp' | 'tls' = 'tcp', early = ''): Promise<DataStream> {
    const data = await DataStream.open(server, over)
    const answer = await data.bind(id, early)
    if (answer.code !== 200) throw new Error(`ConnectionBind: ${answer.code}`)
    return data
  }

  async bind(id: number, early = ''): Promise<Answer> {
    const named: Write = (writer) => writer.uint32(Attribute.CONNECTION_ID, id)
    if (this.nonce === null) this.learn(await this.ask(Method.CONNECTION_BIND, named))
    return this.ask(Method.CONNECTION_BIND, named, early)
  }

  async ask(method: number, write?: Write, behind = ''): Promise<Answer> {
    this.socket.write(Buffer.concat([this.request(method, write), Buffer.from(behind)]))
    const header = await this.stream.read(20)
    const bytes = Buffer.concat([header, await this.stream.read(header.readUInt16BE(2))])
    if (StunMessage.parse(bytes) === null) throw new Error('no STUN')
    return new Answer(bytes)
  }

  get socket(): Socket {
    return this.stream.socket
  }
}

/** A peer that others connect to. */
export class TcpPeer {
  readonly address: string
  readonly #connections = new Inbox<StreamClient>()

  private constructor(server: Server, greets: (socket: Socket) => void) {
    const { address, port } = server.address() as AddressInfo
    this.address = `${address}:${port}`
    server.on('connection', (socket) => {
      greets(socket)
      this.#connections.push(new StreamClient(socket))
    })
  }

  /** `greets` is called for each connection before anything else. */
  static async listen(host = '127.0.9.1', greets: (socket: Socket) => void = () => {}): Promise<TcpPeer> {
    const server = createServer()
    server.listen(0, host)
    await once(server, 'listening')
    onTestFinished(() => void server.close())
    return new TcpPeer(server, greets)
  }

  next(): Promise<StreamClient> {
    return this.#connections.next()
  }
}
