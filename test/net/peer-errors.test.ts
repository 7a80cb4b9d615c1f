import { writeFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { linuxSupport } from '../../src/net/linux/system-calls.ts'
import { Address } from '../../src/stun/address.ts'
import { Attribute, MessageClass, Method } from '../../src/stun/constants.ts'
import { localhostEc } from '../support/certificates.ts'
import { IpEndpoint } from '../support/ip-endpoint.ts'
import { LoopbackClient } from '../support/loopback-turn.ts'
import { canEnterNetworks, enterNewNetwork, ip } from '../support/network.ts'
import { describeWith } from '../support/peers.ts'
import { RELAY_HOST, startThreads } from '../support/relay-threads.ts'
import { channelData, connectTcp, connectTls, freePort, localStream, UdpClient } from '../support/sockets.ts'
import { Answer } from '../support/turn-client.ts'

const TRANSPORTS = ['udp', 'tcp', 'tls'] as const
const CHANNEL = 0x4000

/** Two threads with relays of both families, and a client of them. */
async function relaying(transport: (typeof TRANSPORTS)[number], relayHosts: readonly string[]) {
  const { client, streamPort, readings } = await startThreads({
    streams: [localStream],
    tls: { certificates: [localhostEc] },
    plan: { relayAddresses: [...relayHosts] },
  })
  const connect = {
    udp: client,
    tcp: async () => LoopbackClient.over(await connectTcp(streamPort)),
    tls: async () => LoopbackClient.over(await connectTls(streamPort)),
  }
  return { client: await connect[transport](), readings }
}

const WAYS = {
  'a Send indication': (client: LoopbackClient, peer: Address) => {
    client.send(
      client.indication(Method.SEND, (writer) =>
        writer.xorAddress(Attribute.XOR_PEER_ADDRESS, peer).bytes(Attribute.DATA, Buffer.from('four')),
      ),
    )
  },
  'a channel': (client: LoopbackClient) => client.send(channelData(CHANNEL, Buffer.from('four'))),
} as const
const EACH_WAY = TRANSPORTS.flatMap((transport) =>
  (['a Send indication', 'a channel'] as const).map((way) => [way, transport] as const),
)

/** The next message is a Data indication with this ICMP attribute about `peer`, and nothing else. */
async function expectTold(client: LoopbackClient, peer: Address, value: string): Promise<void> {
  const data = new Answer(await client.inbox.next())
  expect(data.message).toMatchObject({ method: Method.DATA, messageClass: MessageClass.INDICATION })
  expect(data.attributes).toEqual([Attribute.XOR_PEER_ADDRESS, Attribute.ICMP])
  expect(data.address(Attribute.XOR_PEER_ADDRESS)!.toString()).toBe(peer.toString())
  expect(data.message.value(Attribute.ICMP)!.toString('hex')).toBe(value)
}

describe.runIf(linuxSupport().available)('ICMP errors about what was relayed', () => {
  test.each(EACH_WAY)(
    'TURN-ICMP-01 TURN-ICMP-03 a port that nobody has is told to who sent there by %s over %s',
    async (way, transport) => {
      const { client, readings } = await relaying(transport, [RELAY_HOST])
      const relayed = (await client.allocate()).address(Attribute.XOR_RELAYED_ADDRESS)!
      const gone = Address.parse('127.0.0.1', await freePort())!
      expect((await (way === 'a channel' ? client.bind(CHANNEL, gone) : client.permit(gone))).code).toBe(200)
      WAYS[way](client, gone)
      await expectTold(client, gone, '0000030300000000')
      expect((await readings()).net.peerErrors).toBe(1)
      // TURN-ICMP-04: the relay goes on, and what follows at once is not lost to the error.
      const peer = await UdpClient.open()
      const there = Address.parse('127.0.0.1', peer.port)!
      expect((await client.bind(CHANNEL + 1, there)).code).toBe(200)
      WAYS[way](client, gone)
      client.send(channelData(CHANNEL + 1, Buffer.from('still')))
      expect((await peer.inbox.next()).bytes.toString()).toBe('still')
      peer.send(Buffer.from('here'), relayed.port, relayed.host)
      // Before that it may be told of the second one, too.
      const here = channelData(CHANNEL + 1, Buffer.from('here'))
      for (let bytes = await client.inbox.next(); !bytes.equals(here); ) bytes = await client.inbox.next()
    },
  )

  test.each(EACH_WAY)('TURN-ICMP-03 over IPv6, too: %s over %s', async (way, transport) => {
    const { client } = await relaying(transport, ['::1'])
    const six = 0x02000000
    const allocated = await client.allocate((writer) => writer.uint32(Attribute.REQUESTED_ADDRESS_FAMILY, six))
    expect(allocated.code).toBe(200)
    const gone = Address.parse('::1', await freePort())!
    expect((await (way === 'a channel' ? client.bind(CHANNEL, gone) : client.permit(gone))).code).toBe(200)
    WAYS[way](client, gone)
    await expectTold(client, gone, '0000010400000000')
  })

  describe.runIf(canEnterNetworks())('from a router', () => {
    describeWith(['iproute', 'python'], 'of another network', () => {
      const OURS = '192.0.2.1'
      const ROUTER = '192.0.2.2'
      const BEYOND = Address.parse('198.51.100.9', 4711)!

      // A client's datagram is relayed with one hop less than it came with, and what comes by a stream with the system's own.
      test.each(EACH_WAY)(
        'TURN-ICMP-01 TURN-ICMP-03 a TTL that runs out on the way is told to who sent by %s over %s',
        async (way, transport) => {
          enterNewNetwork()
          writeFileSync('/proc/sys/net/ipv4/ip_forward', '1')
          const router = await IpEndpoint.open('0.0.0.0')
          enterNewNetwork()
          ip('link add ours type veth peer name theirs')
          ip(`link set theirs netns ${router.pid}`)
          ip(`addr add ${OURS}/24 dev ours`)
          ip('link set ours up')
          ip(`addr add ${ROUTER}/24 dev theirs`, router.pid)
          ip('link set theirs up', router.pid)
          ip(`route add default via ${ROUTER}`)
          ip(`route add default via ${OURS}`, router.pid)
          writeFileSync('/proc/sys/net/ipv4/ip_default_ttl', transport === 'udp' ? '2' : '1')

          const { client } = await relaying(transport, [OURS])
          expect((await client.allocate()).code).toBe(200)
          expect((await (way === 'a channel' ? client.bind(CHANNEL, BEYOND) : client.permit(BEYOND))).code).toBe(200)
          WAYS[way](client, BEYOND)
          await expectTold(client, BEYOND, '00000b0000000000')
        },
      )
    })
  })
})
