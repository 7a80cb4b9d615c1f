import dns from 'node:dns'
import { afterAll, beforeAll, describe, expect, onTestFinished, test, vi } from 'vitest'
import { readFlags } from '../../src/config/flags.ts'
import { loadConfig } from '../../src/config/load.ts'
import { deniesPrivatePeers, turnAddresses } from '../../src/start/addresses.ts'
import { Address } from '../../src/stun/address.ts'
import { Attribute, Method } from '../../src/stun/constants.ts'
import { NetworkClient } from '../support/network-client.ts'
import { commandLine, startTestServer, type TestOptions, type TestServer, testUser } from '../support/server.ts'
import { UdpClient } from '../support/sockets.ts'
import type { Answer, Login, Write } from '../support/turn-client.ts'
import { addressOf } from '../support/turn-world.ts'
import { allocated, at } from './peer-client.ts'

const ALICE: Login = { username: testUser.name, password: testUser.password }
const BOTH_FAMILIES = { 'relay-ip': ['127.0.0.1', '::1'] }

/** A server for all tests of a block; one thread, whose limits are those of the whole server. */
function serverWith(options: TestOptions): { readonly server: TestServer } {
  const holder: { server: TestServer } = { server: undefined as never }
  beforeAll(async () => {
    holder.server = await startTestServer({ 'relay-threads': '1', ...options })
  })
  afterAll(() => holder.server.close())
  return holder
}

async function connect(client: NetworkClient, peer: string): Promise<Answer> {
  return client.ask(Method.CONNECT, (writer) => writer.xorAddress(Attribute.XOR_PEER_ADDRESS, addressOf(peer)))
}

const LOOPBACK = ['127.0.0.1', '127.255.255.254', '::1']
const NEVER = [
  ...['0.0.0.0', '0.0.0.1', '0.255.255.255', '::', '169.254.0.1', '169.254.169.254'],
  ...['224.0.0.1', '239.255.255.255', '240.0.0.1', '255.255.255.255', 'fe80::1', 'febf:ffff::1', 'fc00::1', 'fd00::5'],
  ...['fdff:ffff::1', 'fec0::1', 'feff::1', 'ff02::1', '2002:808:808::1', '2001:0:4136:e378:8000:63bf:f7f7:f7f7'],
]

describe('peers that nobody may reach', () => {
  const CASES: readonly (readonly [name: string, options: TestOptions, refused: readonly string[]])[] = [
    ['by default', { 'allow-loopback-peers': 'false' }, [...LOOPBACK, ...NEVER]],
    [
      'although everything is on the allow list',
      {
        'allow-loopback-peers': 'false',
        'allowed-peer-ip': ['0.0.0.0-255.255.255.255', '::/0', ...LOOPBACK, ...NEVER],
      },
      [...LOOPBACK, ...NEVER],
    ],
    [
      'but for loopback, with allow-loopback-peers',
      { 'allowed-peer-ip': ['0.0.0.0-255.255.255.255', '::/0'], 'allow-private-peers': 'true' },
      NEVER,
    ],
  ]
  describe.each(CASES)('%s', (_name, options, refused) => {
    const running = serverWith({ ...BOTH_FAMILIES, ...options })

    test('SEC-01 CreatePermission, ChannelBind and Connect are refused at once, and no packet is sent', async () => {
      const { server } = running
      const client = await allocated(server)
      let slowest = 0
      const timed = async (answer: Promise<Answer>): Promise<number> => {
        const began = performance.now()
        const { code } = await answer
        slowest = Math.max(slowest, performance.now() - began)
        return code
      }
      for (const host of refused) {
        const peer = at(host)
        expect([host, await timed(client.permit(peer))]).toEqual([host, 403])
        expect([host, await timed(client.bind(0x4000, peer))]).toEqual([host, 403])
        expect([host, await timed(connect(client, peer))]).toEqual([host, 403])
        client.sendTo(peer, 'let me in')
        client.sendOn(0x4000, 'let me in')
      }
      await client.settled()
      expect((await server.counters()).toPeerPackets).toBe(0)
      expect((await server.net()).relay.sentPackets).toBe(0)
      // The list says 100 ms, for an idle machine; a look-up or a connection attempt would take seconds.
      expect(slowest).toBeLessThan(3000)
    })
  })

  describe('with allow-loopback-peers', () => {
    const running = serverWith(BOTH_FAMILIES)

    test('SEC-01 loopback is open, so the refusals above are the rule and not an accident', async () => {
      const client = await allocated(running.server)
      for (const host of LOOPBACK) expect([host, (await client.permit(at(host))).code]).toEqual([host, 200])
    })
  })
})

const RECOMMENDED = [
  ...['10.0.0.1', '10.255.255.255', '172.16.0.1', '172.31.255.255', '192.168.0.1', '192.168.255.255', '100.64.0.1'],
  ...['100.100.100.200', '100.127.255.255', '192.0.0.8', '192.0.2.9', '192.88.99.1', '198.18.0.1', '198.19.255.255'],
  ...['198.51.100.3', '203.0.113.1', '64:ff9b::808:808', '64:ff9b:1::808:808', '100::1', '2001:1ff::1', '2001:db8::5'],
  ...['2606:4700::5efe:808:808', '2606:4700::200:5efe:808:808'],
]
const NEIGHBOURS = [
  ...['9.255.255.255', '11.0.0.1', '172.15.255.254', '172.32.0.1', '100.63.255.254', '100.128.0.1', '192.167.255.254'],
  '2606:4700::1111',
]

describe('private and special networks', () => {
  describe.each([
    ['denied-peer-ip=recommended', { 'denied-peer-ip': 'recommended' }],
    ['external-ip', { 'external-ip': '8.8.4.4/127.0.0.1' }],
  ])('with %s', (_name, options) => {
    const running = serverWith({ ...BOTH_FAMILIES, ...options })

    test('SEC-02 are refused, and their neighbours are open', async () => {
      const client = await allocated(running.server)
      for (const host of RECOMMENDED) {
        expect([host, (await client.permit(at(host))).code]).toEqual([host, 403])
        expect([host, (await client.bind(0x4000, at(host))).code]).toEqual([host, 403])
      }
      for (const host of NEIGHBOURS) expect([host, (await client.permit(at(host))).code]).toEqual([host, 200])
      expect((await running.server.net()).relay.sentPackets).toBe(0)
    })
  })

  describe('on a private relay address without external-ip', () => {
    const running = serverWith(BOTH_FAMILIES)

    test('SEC-02 are open', async () => {
      const client = await allocated(running.server)
      for (const host of ['10.0.0.1', '192.168.0.1', '2001:db8::5']) {
        expect([host, (await client.permit(at(host))).code]).toEqual([host, 200])
      }
    })
  })

  test.each([
    ['8.8.8.8', true],
    ['2606:4700::1', true],
    ['10.0.0.1', false],
  ])('SEC-02 relaying from %s denies them: %j', async (relayIp, denies) => {
    const { config } = await loadConfig(readFlags(commandLine({ 'relay-ip': relayIp }), new Set()))
    expect(deniesPrivatePeers(config, turnAddresses(config))).toBe(denies)
  })
})

describe('addresses inside addresses', () => {
  const running = serverWith({ ...BOTH_FAMILIES, 'denied-peer-ip': ['1.0.0.0/8', '128.0.0.0-191.255.255.255'] })

  /** Each way of writing an IPv4 address in IPv6 that is open to some addresses. */
  const encodings = (high: string, low: string): string[] => [
    `::ffff:${high}:${low}`,
    `::${high}:${low}`,
    `::ffff:0:${high}:${low}`,
    `64:ff9b::${high}:${low}`,
    `64:ff9b:1::${high}:${low}`,
    `2606:4700::5efe:${high}:${low}`,
    `2606:4700::200:5efe:${high}:${low}`,
  ]

  test('SEC-03 every encoding of an address has the verdict of the plain form', { timeout: 60_000 }, async () => {
    const client = await allocated(running.server)
    const edges = [0x00000001, 0x0a000001, 0x01000000, 0x02000000, 0x7f000001, 0x80000000, 0xa9fea9fe, 0xbfffffff]
    const words = [...edges, ...Array.from({ length: 120 }, () => Math.floor(Math.random() * 0x100000000))]
    const verdicts = new Set<number>()
    for (const word of words) {
      const plain = Address.ipv4(word, 0).host
      const { code } = await client.permit(at(plain))
      verdicts.add(code)
      const [high, low] = [(word >>> 16).toString(16), (word & 0xffff).toString(16)]
      for (const host of encodings(high!, low!)) {
        // ::0 and ::1 are addresses of their own.
        if (word > 1 || !host.startsWith('::')) {
          expect([plain, host, (await client.permit(at(host))).code]).toEqual([plain, host, code])
        }
      }
    }
    expect([...verdicts].sort()).toEqual([200, 403])
  })

  test('SEC-03 6to4 and both addresses of Teredo are refused, whatever they hold', async () => {
    const client = await allocated(running.server)
    for (const host of [
      '2002:0808:0808::1',
      '2002:7f00:1::',
      '2001:0:808:808::f7f7:f7f7',
      '2001:0:7f00:1::8080:8080',
    ]) {
      expect([host, (await client.permit(at(host))).code]).toEqual([host, 403])
    }
  })

  describe('and ranges of IPv6', () => {
    const ranged = serverWith({ ...BOTH_FAMILIES, 'denied-peer-ip': '2600::1-2600:1::' })

    test('SEC-03 are compared as one number', async () => {
      const client = await allocated(ranged.server)
      const verdicts = [
        ['2600::', 200],
        ['2600::1', 403],
        ['2600::5', 403],
        ['2600:0:ffff::', 403],
        ['2600:1::', 403],
        ['2600:1::1', 200],
      ] as const
      for (const [host, code] of verdicts) expect([host, (await client.permit(at(host))).code]).toEqual([host, code])
    })
  })

  describe('without allow-loopback-peers', () => {
    const closed = serverWith({ ...BOTH_FAMILIES, 'allow-loopback-peers': 'false' })

    test('SEC-03 loopback does not hide in any of them', async () => {
      const client = await allocated(closed.server)
      for (const host of ['127.0.0.1', ...encodings('7f00', '1')]) {
        expect([host, (await client.permit(at(host))).code]).toEqual([host, 403])
        expect([host, (await client.bind(0x4000, at(host))).code]).toEqual([host, 403])
      }
      expect((await client.permit(at('64:ff9b::808:808'))).code).toBe(200)
    })
  })
})

describe('relayed packets', () => {
  const running = serverWith(BOTH_FAMILIES)

  test('SEC-04 the next packet to and from a peer that has come to be denied is dropped', async () => {
    const { server } = running
    const client = await NetworkClient.udp({ port: server.ports.udp, login: ALICE })
    const relay = (await client.allocate()).address(Attribute.XOR_RELAYED_ADDRESS)!
    const [open, bound, permitted] = await Promise.all(['127.0.0.2', '127.0.0.3', '127.0.0.4'].map(UdpClient.open))
    expect((await client.permit('127.0.0.2:1', '127.0.0.4:1')).code).toBe(200)
    expect((await client.bind(0x4000, at('127.0.0.3', bound!.port))).code).toBe(200)

    const round = (data: string) => {
      client.sendOn(0x4000, data)
      client.sendTo(at('127.0.0.4', permitted!.port), data)
      client.sendTo(at('127.0.0.2', open!.port), data)
    }
    round('before')
    for (const peer of [open, bound, permitted]) expect(String((await peer!.inbox.next()).bytes)).toBe('before')
    for (const peer of [open, bound, permitted]) {
      peer!.send(Buffer.from('hello'), relay.port)
      await client.data.next()
    }

    // Both have become services of this machine.
    server.turn.protect([bound!.port, permitted!.port])
    await server.readings()
    round('after')
    expect(String((await open!.inbox.next()).bytes)).toBe('after')
    for (const peer of [bound, permitted, open]) peer!.send(Buffer.from('hello again'), relay.port)
    const indication = await client.data.next()
    expect(indication.readUInt16BE(0)).toBe(0x0017)
    await vi.waitFor(async () => expect((await server.counters()).dropped['peer-denied']).toBe(4))
    expect([bound!.inbox.length, permitted!.inbox.length, client.data.length]).toEqual([0, 0, 0])
  })

  test.each([
    ['is refused', (writer) => writer.xorAddress(Attribute.XOR_PEER_ADDRESS, addressOf('169.254.1.1:1')), 403],
    ['is too short', (writer) => writer.bytes(Attribute.XOR_PEER_ADDRESS, Buffer.from('00010000', 'hex')), 400],
    ['is of no family', (writer) => writer.bytes(Attribute.XOR_PEER_ADDRESS, Buffer.alloc(8, 3)), 400],
    ['is empty', (writer) => writer.empty(Attribute.XOR_PEER_ADDRESS), 400],
  ] satisfies [string, Write, number][])(
    'SEC-06 CreatePermission installs none when one of its addresses %s',
    async (_name, bad, code) => {
      const { server } = running
      const client = await NetworkClient.udp({ port: server.ports.udp, login: ALICE })
      const relay = (await client.allocate()).address(Attribute.XOR_RELAYED_ADDRESS)!
      const [first, last] = await Promise.all(['127.0.0.5', '127.0.0.6'].map(UdpClient.open))
      const answer = await client.ask(Method.CREATE_PERMISSION, (writer) => {
        writer.xorAddress(Attribute.XOR_PEER_ADDRESS, addressOf('127.0.0.5:1'))
        bad(writer)
        writer.xorAddress(Attribute.XOR_PEER_ADDRESS, addressOf('127.0.0.6:1'))
      })
      expect(answer.code).toBe(code)

      const dropped = (await server.counters()).dropped['no-permission']
      const toAll = (data: string) => {
        client.sendTo(at('127.0.0.5', first!.port), data)
        client.sendTo(at('127.0.0.6', last!.port), data)
      }
      toAll('too early')
      for (const peer of [first, last]) peer!.send(Buffer.from('too early'), relay.port)
      await vi.waitFor(async () => expect((await server.counters()).dropped['no-permission']).toBe(dropped + 4))
      expect((await client.permit('127.0.0.5:1', '127.0.0.6:1')).code).toBe(200)
      toAll('now')
      for (const peer of [first, last]) expect(String((await peer!.inbox.next()).bytes)).toBe('now')
      expect(client.data.length).toBe(0)
    },
  )

  test('SEC-07 Allocate for TCP is refused with 442', async () => {
    const { server } = running
    for (const transport of ['udp', 'tcp', 'tls'] as const) {
      const client = await NetworkClient[transport]({ port: server.ports[transport], login: ALICE })
      await client.greet()
      const tcp: Write = (writer) => writer.uint32(Attribute.REQUESTED_TRANSPORT, 6 * 0x1000000)
      expect((await client.ask(Method.ALLOCATE, tcp)).code).toBe(442)
      expect((await client.allocate()).code).toBe(200)
    }
  })

  test('SEC-08 nothing is relayed to port 0', async () => {
    const { server } = running
    const client = await NetworkClient.udp({ port: server.ports.udp, login: ALICE })
    await client.allocate()
    expect((await client.permit('127.0.0.7:0')).code).toBe(200)
    expect((await client.bind(0x4000, '127.0.0.7:0')).code).toBe(400)
    expect((await connect(client, '127.0.0.7:0')).code).toBe(403)
    const sent = (await server.net()).relay.sentPackets
    client.sendTo('127.0.0.7:0', 'nowhere')
    client.sendOn(0x4000, 'nowhere')
    await client.settled()
    expect((await server.counters()).dropped['bad-indication']).toBe(1)
    expect((await server.net()).relay.sentPackets).toBe(sent)
  })

  test('SEC-08 the relay never resolves a name', async () => {
    const client = await NetworkClient.udp({ port: running.server.ports.udp, login: ALICE })
    const peer = await UdpClient.open('127.0.0.8')
    const callbacks = vi.spyOn(dns, 'lookup')
    const promises = vi.spyOn(dns.promises, 'lookup')
    onTestFinished(() => {
      callbacks.mockRestore()
      promises.mockRestore()
    })
    await client.allocate()
    expect((await client.bind(0x4000, at('127.0.0.8', peer.port))).code).toBe(200)
    for (let i = 0; i < 5; i++) {
      client.sendOn(0x4000, 'on a channel')
      client.sendTo(at('127.0.0.8', peer.port), 'in an indication')
      await peer.inbox.next()
      await peer.inbox.next()
    }
    expect(callbacks).not.toHaveBeenCalled()
    expect(promises).not.toHaveBeenCalled()
  })
})
