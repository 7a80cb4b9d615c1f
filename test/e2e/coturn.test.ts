import { afterAll, beforeAll, expect, test } from 'vitest'
import { linuxSupport } from '../../src/net/linux/system-calls.ts'
import { describeWith } from '../support/peers.ts'
import { startTestServer, type TestOptions, type TestServer, testSecret, testUser } from '../support/server.ts'
import { freePort } from '../support/sockets.ts'
import { type EchoPeer, run, startEchoPeer, type UclientSummary, uclient } from '../support/turnutils.ts'

type Transport = 'udp' | 'tcp' | 'tls' | 'dtls'

/** What turnutils_uclient is told. */
interface Call {
  readonly over: Transport
  readonly words?: readonly string[]
  readonly login?: readonly string[]
  readonly clients?: number
  readonly messages?: number
  /** The echo peer's address. */
  readonly peer?: '127.0.0.1' | '::1'
}

interface Case extends Call {
  readonly name: string
  /** Messages that arrive, and Allocates that succeed; uclient makes one more connection for each RTP and RTCP pair, to probe. */
  readonly expected: { readonly messages: number; readonly allocations: number }
}

const PASSWORD = ['-u', testUser.name, '-w', testUser.password]
const REST = ['-u', 'bob', '-W', testSecret]
const TRANSPORTS: Readonly<Record<Transport, readonly string[]>> = {
  udp: [],
  tcp: ['-t'],
  // It takes a TLS record for a message, so it would lose those that share one: they come at long intervals.
  tls: ['-t', '-S', '-z', '1000'],
  dtls: ['-S'],
}

/** A machine of its own for relays: a port that is reserved for RTCP must be free when its client comes for it. */
const RELAY = `127.${process.pid & 127}.${(process.pid >> 7) & 255}.5`

const OPTIONS: TestOptions = {
  // Off unless asked for, and one of uclient's four transports.
  dtls: true,
  'relay-ip': [RELAY, '::1'],
}

/** Two clients, which are the RTP and RTCP of one session, with ten messages each. */
const pair = { messages: 20, allocations: 3 }
/** The same with three messages each. */
const short = { messages: 3, expected: { messages: 6, allocations: 3 } }

const CASES: readonly Case[] = [
  { name: 'channels over UDP', over: 'udp', expected: pair },
  { name: 'channels over TCP', over: 'tcp', expected: pair },
  { name: 'channels over TLS', over: 'tls', ...short },
  { name: 'channels over DTLS', over: 'dtls', expected: pair },
  { name: 'Send and Data over UDP', over: 'udp', words: ['-s'], expected: pair },
  { name: 'Send and Data over TCP', over: 'tcp', words: ['-s'], expected: pair },
  { name: 'Send and Data over TLS', over: 'tls', words: ['-s'], ...short },
  { name: 'Send and Data over DTLS', over: 'dtls', words: ['-s'], expected: pair },
  { name: 'time-limited credentials over UDP', over: 'udp', login: REST, expected: pair },
  { name: 'time-limited credentials over TLS', over: 'tls', login: REST, ...short },
  { name: 'more CreatePermission and ChannelBind than it needs', over: 'udp', words: ['-G'], expected: pair },
  { name: 'padded ChannelData in datagrams', over: 'udp', words: ['-D'], expected: pair },
  { name: 'an IPv6 relay for an IPv4 client', over: 'udp', words: ['-x'], peer: '::1', expected: pair },
  { name: 'an IPv6 relay for a TCP client', over: 'tcp', words: ['-x', '-s'], peer: '::1', expected: pair },
  { name: 'two clients as peers over UDP', over: 'udp', words: ['-y'], expected: { messages: 40, allocations: 5 } },
  {
    name: 'two clients as peers over TCP with Send and Data',
    over: 'tcp',
    words: ['-y', '-s'],
    expected: { messages: 40, allocations: 5 },
  },
  {
    name: 'ten clients with fifty messages each',
    over: 'udp',
    words: ['-c'],
    clients: 10,
    messages: 50,
    expected: { messages: 500, allocations: 20 },
  },
  {
    name: 'messages of 1400 bytes over TCP',
    over: 'tcp',
    words: ['-c', '-l', '1400'],
    expected: { messages: 20, allocations: 4 },
  },
]

describeWith(['coturn'], "coturn's client", () => {
  let echoPeer: EchoPeer

  beforeAll(async () => {
    echoPeer = await startEchoPeer()
  })
  afterAll(() => echoPeer.close())

  for (const example of CASES) {
    const { over, expected } = example
    test.concurrent(`turnutils_uclient loses nothing: ${example.name}`, { timeout: 60_000 }, async () => {
      await withServer(OPTIONS, async (server) => {
        const summary = await callEchoPeer(server, echoPeer, example)
        const { messages, allocations } = expected
        expect(summary, summary.text).toMatchObject({ code: 0, sent: messages, received: messages, lost: 0 })
        expect(await server.counters()).toMatchObject({
          toPeerPackets: messages,
          toClientPackets: messages,
          allocationsCreated: allocations,
        })
        expect((await server.net()).clients[over].receivedPackets).toBeGreaterThan(messages)
        // It leaves without a Refresh or close_notify, so only a connection's end tells.
        if (over === 'tcp' || over === 'tls') await server.expectNoAllocations()
      })
    })
  }

  test.concurrent('TURN-ALLOC-06 turnutils_uclient -g relays where DF can be set, and is refused with 420 elsewhere', {
    timeout: 60_000,
  }, async () => {
    await withServer(OPTIONS, async (server) => {
      const dontFragment = linuxSupport().available
      for (const words of [['-g', '-s'], ['-g']]) {
        const { text, ...summary } = await callEchoPeer(server, echoPeer, { over: 'udp', words })
        if (dontFragment) expect(summary, text).toEqual({ code: 0, sent: 20, received: 20, lost: 0 })
        else expect(text).toContain('error 420')
      }
      expect((await server.counters()).errors.has(420)).toBe(!dontFragment)
    })
  })

  // Two clients of one session connect to each other's relay, so that both Connect and ConnectionAttempt are needed. Of what
  // comes on a data connection uclient reads as much as its messages are long: less than our 438, which each of them meets
  // because a nonce is good for one address and port.
  test.concurrent.each(['tcp', 'tls'] as const)(
    'TURN-TCP-04 TURN-TCP-11 TURN-TCP-14 turnutils_uclient -T relays TCP over %s and loses nothing',
    { timeout: 60_000 },
    async (over) => {
      // Off unless asked for.
      await withServer({ ...OPTIONS, 'tcp-relay': true }, async (server) => {
        const { text, ...summary } = await callEchoPeer(server, echoPeer, {
          over,
          words: ['-T', '-l', '500'],
          messages: 20,
        })
        expect(summary, text).toEqual({ code: 0, sent: 40, received: 40, lost: 0 })
        const { peerConnections } = await server.counters()
        expect(peerConnections).toMatchObject({ connected: 1, accepted: 1, bound: 2, failed: 0 })
        await server.expectNoAllocations()
      })
    },
  )

  test.concurrent('turnutils_uclient with a wrong password gets nothing', { timeout: 60_000 }, async () => {
    await withServer(OPTIONS, async (server) => {
      const login = ['-u', testUser.name, '-w', 'wrong']
      const { sent, text } = await callEchoPeer(server, echoPeer, { over: 'udp', login })
      expect(sent, text).toBeNaN()
      expect((await server.counters()).errors.get(401)).toBeGreaterThan(1)
      expect((await server.counters()).allocationsCreated).toBe(0)
    })
  })

  test.concurrent('after a turnutils_uclient that breaks the protocol on purpose, the next one is served', {
    timeout: 60_000,
  }, async () => {
    await withServer(OPTIONS, async (server) => {
      // Some of what it tries leaves it waiting for ever.
      await callEchoPeer(server, echoPeer, { over: 'udp', words: ['-N', '-R'] }, 5000)
      const { text, ...summary } = await callEchoPeer(server, echoPeer, { over: 'udp' })
      expect(summary, text).toEqual({ code: 0, sent: 20, received: 20, lost: 0 })
    })
  })

  test.concurrent('turnutils_stunclient sees its own address, over IPv4 and IPv6', async () => {
    await withServer({ 'listening-ip': ['127.0.0.1', '::1'] }, async (server) => {
      for (const host of ['127.0.0.1', '::1']) {
        const { text } = await run('turnutils_stunclient', ['-p', String(server.udpPort(host)), host], 10_000)
        expect(text).toMatch(new RegExp(`UDP reflexive addr: ${host}:\\d+`))
      }
      expect((await server.counters()).errors.size).toBe(0)
    })
  })
})

describeWith(['stunClient'], 'the client of RFC 3489', () => {
  test('stun sees the port it opened', async () => {
    // Off unless asked for: this client speaks nothing newer.
    await withServer({ 'rfc3489-compatibility': true }, async (server) => {
      // By itself it would draw one without asking whether it is free, among those of the relays.
      const port = await freePort()
      const { code, text } = await run('stun', [`127.0.0.1:${server.ports.udp}`, '1', '-v', '-p', String(port)], 10_000)
      expect(text).toContain(`Opened port ${port}`)
      expect(text).toContain(`MappedAddress = 127.0.0.1:${port}`)
      expect(code).toBe(0)
    })
  })
})

/** Runs uclient against the server and the echo peer. */
async function callEchoPeer(
  server: TestServer,
  echoPeer: EchoPeer,
  { over, words = [], login = PASSWORD, clients = 2, messages = 10, peer = '127.0.0.1' }: Call,
  limitMs?: number,
): Promise<UclientSummary> {
  const port = server.ports[over]
  expect(port, `a port for ${over}`).not.toBeNull()
  const summary = await uclient(
    [
      ...TRANSPORTS[over],
      ...login,
      ...words,
      ...['-m', String(clients), '-n', String(messages), '-e', peer, '-r', String(echoPeer.port)],
      ...['-p', String(port), '127.0.0.1'],
    ],
    limitMs,
  )
  return summary
}

async function withServer(options: TestOptions, body: (server: TestServer) => Promise<void>): Promise<void> {
  const server = await startTestServer(options)
  try {
    await body(server)
  } finally {
    await server.close()
  }
}
