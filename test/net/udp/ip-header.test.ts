import { randomBytes } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import { DtlsServer } from '../../../src/net/dtls/dtls.ts'
import { setHopLimit } from '../../../src/net/linux/descriptors.ts'
import { linuxSupport } from '../../../src/net/linux/system-calls.ts'
import { EXPIRED, OWN_HEADER, relayedHeader } from '../../../src/net/udp/relayed-header.ts'
import type { Address } from '../../../src/stun/address.ts'
import { Attribute, Method } from '../../../src/stun/constants.ts'
import { SourceCount } from '../../../src/turn/limits/source-count.ts'
import { connectDtls } from '../../support/dtls-client.ts'
import { leaf } from '../../support/dtls-host.ts'
import { handshakesAlone } from '../../support/handshakes.ts'
import { IpEndpoint, type IpFields } from '../../support/ip-endpoint.ts'
import { ALICE, LoopbackClient, startTurn } from '../../support/loopback-turn.ts'
import { describeWith } from '../../support/peers.ts'
import { startRelayLoop } from '../../support/relay-loop.ts'
import { Inbox } from '../../support/sockets.ts'
import { Answer, channelData, dual, TurnClient, type Write } from '../../support/turn-client.ts'

const CHANNEL = 0x4000
/** What the system gives to datagrams of its own. */
const SYSTEM: IpFields = { ttl: 64, tos: 0 }
/** Expedited Forwarding with ECT(1). */
const VOICE: IpFields = { ttl: 17, tos: 0xb9 }
/** AF41 with Congestion Experienced. */
const VIDEO: IpFields = { ttl: 255, tos: 0x8b }

const further = ({ ttl, tos }: IpFields): IpFields => ({ ttl: ttl - 1, tos })

class IpClient extends TurnClient {
  readonly endpoint: IpEndpoint
  readonly #server: Address

  constructor(endpoint: IpEndpoint, server: Address) {
    super(ALICE)
    this.endpoint = endpoint
    this.#server = server
  }

  send(bytes: Buffer, fields: IpFields = SYSTEM): void {
    this.endpoint.send(bytes, this.#server, fields)
  }

  sendAll(datagrams: readonly (readonly [Buffer, IpFields])[]): void {
    this.endpoint.sendAll(datagrams, this.#server)
  }

  async ask(method: number, write: Write, fields = SYSTEM) {
    this.send(this.request(method, write), fields)
    const { bytes, ttl, tos } = await this.endpoint.inbox.next()
    return { answer: new Answer(bytes), fields: { ttl, tos } }
  }
}

/** A client with a relayed address of each family and a channel to a peer. */
async function relaying(clientHost: string, peerHost: string) {
  const { loop, address } = startRelayLoop(clientHost, { settings: { dontFragment: true } })
  const client = new IpClient(await IpEndpoint.open(clientHost), address)
  const peer = await IpEndpoint.open(peerHost)
  const transport: Write = (writer) => dual(writer.uint32(Attribute.REQUESTED_TRANSPORT, 17 * 0x1000000))
  const challenge = await client.ask(Method.ALLOCATE, (writer) =>
    writer.uint32(Attribute.REQUESTED_TRANSPORT, 17 * 0x1000000),
  )
  client.learn(challenge.answer)
  const { answer } = await client.ask(Method.ALLOCATE, transport)
  const relayed = answer.addresses(Attribute.XOR_RELAYED_ADDRESS).find(({ family }) => family === peer.address.family)!
  const bind = (fields?: IpFields) =>
    client.ask(
      Method.CHANNEL_BIND,
      (writer) =>
        writer.uint32(Attribute.CHANNEL_NUMBER, CHANNEL * 0x10000).xorAddress(Attribute.XOR_PEER_ADDRESS, peer.address),
      fields,
    )
  return { client, peer, relayed, counters: loop.driver.counters, bind }
}

const toPeer = (text: string) => channelData(CHANNEL, Buffer.from(text))

async function received({ inbox }: IpEndpoint): Promise<[string, IpFields]> {
  const { bytes, ttl, tos } = await inbox.next()
  return [bytes.toString('latin1'), { ttl, tos }]
}

test.each([
  [0xb9, 64, (0xb9 << 8) | 63],
  [0, 2, 1],
  [0xff, 255, 0xfffe],
  [0xb9, 1, EXPIRED],
  [0, 0, EXPIRED],
  [0, -1, OWN_HEADER],
])('TURN-IP-02 traffic class %i with hop limit %i is relayed as %i', (trafficClass, hopLimit, header) => {
  expect(relayedHeader(trafficClass, hopLimit)).toBe(header)
})

describe.runIf(linuxSupport().available)('IP header fields of what is relayed', () => {
  describeWith(['python'], 'seen by another program', () => {
    describe.each([
      ['127.0.0.1', '127.0.0.1'],
      ['::1', '::1'],
      ['127.0.0.1', '::1'],
      ['::1', '127.0.0.1'],
    ])('from %s to %s and back', (clientHost, peerHost) => {
      test('TURN-IP-01 TURN-IP-02 a channel keeps DSCP and ECN, and lowers the TTL by one', async () => {
        const { client, peer, relayed, bind } = await relaying(clientHost, peerHost)
        await bind()
        for (const fields of [VOICE, SYSTEM, VIDEO]) {
          client.send(toPeer('up'), fields)
          expect(await received(peer)).toEqual(['up', further(fields)])
          peer.send(Buffer.from('down'), relayed, fields)
          expect(await received(client.endpoint)).toEqual([toPeer('down').toString('latin1'), further(fields)])
        }
      })

      test('TURN-IP-01 TURN-IP-02 so do Send and Data indications', async () => {
        const { client, peer, relayed } = await relaying(clientHost, peerHost)
        await client.ask(Method.CREATE_PERMISSION, (writer) =>
          writer.xorAddress(Attribute.XOR_PEER_ADDRESS, peer.address),
        )
        for (const fields of [VOICE, SYSTEM, VIDEO]) {
          const send: Write = (writer) =>
            writer.xorAddress(Attribute.XOR_PEER_ADDRESS, peer.address).bytes(Attribute.DATA, Buffer.from('up'))
          client.send(client.indication(Method.SEND, send), fields)
          expect(await received(peer)).toEqual(['up', further(fields)])
          const unfragmented: Write = (writer) => send(writer.empty(Attribute.DONT_FRAGMENT))
          client.send(client.indication(Method.SEND, unfragmented), fields)
          expect(await received(peer)).toEqual(['up', further(fields)])
          peer.send(Buffer.from('down'), relayed, fields)
          const [bytes, seen] = await received(client.endpoint)
          expect(bytes).toContain('down')
          expect(seen).toEqual(further(fields))
        }
      })
    })

    test.each(['127.0.0.1', '::1'])(
      'TURN-IP-02 what comes with a TTL of 1 ends here, and is counted (%s)',
      async (host) => {
        const { client, peer, relayed, counters, bind } = await relaying(host, host)
        await bind()
        client.send(toPeer('too far'), { ttl: 1, tos: 0 })
        client.send(toPeer('just so'), { ttl: 2, tos: 0 })
        expect(await received(peer)).toEqual(['just so', { ttl: 1, tos: 0 }])
        peer.send(Buffer.from('too far'), relayed, { ttl: 1, tos: 0 })
        peer.send(Buffer.from('just so'), relayed, { ttl: 2, tos: 0 })
        expect(await received(client.endpoint)).toEqual([toPeer('just so').toString('latin1'), { ttl: 1, tos: 0 }])
        expect(counters.dropped['ttl-expired']).toBe(2)
        // The server itself has been reached.
        expect((await bind({ ttl: 1, tos: 0 })).answer.code).toBe(200)
      },
    )

    test.each(['127.0.0.1', '::1'])('our own answers have the header that the system gives them (%s)', async (host) => {
      const { client, peer, relayed, bind } = await relaying(host, host)
      expect(await bind(VOICE)).toMatchObject({ fields: SYSTEM })
      for (const fields of [VIDEO, SYSTEM]) {
        // Enough for the socket to take the TTL over, and then one that nothing else is sent with.
        peer.sendAll(Array(100).fill([Buffer.from('down'), fields]), relayed)
        for (let i = 0; i < 100; i++) expect((await received(client.endpoint))[1]).toEqual(further(fields))
        peer.send(Buffer.from('down'), relayed, fields)
        expect((await received(client.endpoint))[1]).toEqual(further(fields))
        expect(await bind(VOICE)).toMatchObject({ fields: SYSTEM })
      }
      peer.send(Buffer.from('down'), relayed, VOICE)
      expect((await received(client.endpoint))[1]).toEqual(further(VOICE))
    })

    test.each(['127.0.0.1', '::1'])('they also have it where another thread has listened before (%s)', async (host) => {
      const before = (fd: number) => setHopLimit(fd, host === '::1' ? 6 : 4, 33)
      const { address } = startRelayLoop(host, { before })
      const client = new IpClient(await IpEndpoint.open(host), address)
      expect(await client.ask(Method.BINDING, () => {})).toMatchObject({ fields: SYSTEM })
    })

    test.each(['127.0.0.1', '::1'])('each of many has its own header, whatever came before (%s)', async (host) => {
      const { client, peer, bind } = await relaying(host, host)
      await bind()
      const kinds = [VOICE, VIDEO, SYSTEM, { ttl: 30, tos: 0 }, { ttl: 30, tos: 0x28 }]
      // Runs of all lengths, of equal size, some long enough for the socket to take the TTL over.
      const order = [1, 2, 3, 40, 1, 70, 2, 1, 1, 35, 5].flatMap((count, i) =>
        Array(count).fill(kinds[i % kinds.length]!),
      )
      const all = order.map((fields, i) => [toPeer(String(1000 + i)), fields] as const)
      client.sendAll(all)
      for (const [i, fields] of order.entries())
        expect(await received(peer)).toEqual([String(1000 + i), further(fields)])
    })

    describeWith(['openssl'], 'from a client over DTLS', () => {
      test('TURN-IP-02 it is the header of the datagram that the record came in', async () => {
        const { address } = startRelayLoop('127.0.0.1', {
          dtls: (world) =>
            new DtlsServer(
              { identity: leaf, random: randomBytes, handshakes: handshakesAlone(), sources: new SourceCount() },
              world,
            ),
        })
        const session = await connectDtls(address.port)
        const inbox = new Inbox<Buffer>()
        session.onDatagram = (bytes) => inbox.push(bytes)
        const client = new TurnClient(ALICE)
        const ask = async (method: number, write: Write) => {
          session.send(client.request(method, write))
          return new Answer(await inbox.next())
        }
        const transport: Write = (writer) => writer.uint32(Attribute.REQUESTED_TRANSPORT, 17 * 0x1000000)
        client.learn(await ask(Method.ALLOCATE, transport))
        expect((await ask(Method.ALLOCATE, transport)).code).toBe(200)
        const peer = await IpEndpoint.open('127.0.0.1')
        await ask(Method.CREATE_PERMISSION, (writer) => writer.xorAddress(Attribute.XOR_PEER_ADDRESS, peer.address))
        const data = Buffer.from('from inside')
        const send: Write = (writer) =>
          writer.xorAddress(Attribute.XOR_PEER_ADDRESS, peer.address).bytes(Attribute.DATA, data)
        session.send(client.indication(Method.SEND, send))
        expect(await received(peer)).toEqual(['from inside', further(SYSTEM)])
      })
    })

    test('TURN-IP-04 what a TCP client sends leaves with the header that the system gives it', async () => {
      const portable = await startTurn()
      const client = await LoopbackClient.connect(portable, 'tcp')
      await client.allocate()
      const peer = await IpEndpoint.open('127.0.0.1')
      await client.bind(CHANNEL, peer.address)
      client.send(toPeer('four'))
      expect(await received(peer)).toEqual(['four', SYSTEM])
    })
  })
})
