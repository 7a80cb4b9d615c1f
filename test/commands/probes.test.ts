import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { stripVTControlCharacters } from 'node:util'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type CoturnServer, startCoturn } from '../support/coturn-server.ts'
import { describeWith } from '../support/peers.ts'
import {
  startForTest,
  startTestServer,
  type TestServer,
  testCertificate,
  testSecret,
  testUser,
} from '../support/server.ts'
import { freePort } from '../support/sockets.ts'
import { command } from './running.ts'

interface Report {
  readonly ok: boolean
  readonly findings: readonly { level: string; subject: string; text: string; fix: string | null }[]
}

const reported = async (...words: string[]): Promise<Report> =>
  JSON.parse((await command(...words, '--json')).out) as Report

/** `['✗ TURN udp v4', text, fix]` for each line. */
const lines = ({ findings }: Report) =>
  findings.map(({ level, subject, text, fix }) => [`${level} ${subject}`, text, fix] as const)

describeWith(['coturn'], 'against coturn', () => {
  let coturn: CoturnServer

  beforeAll(async () => {
    const words = ['--lt-cred-mech', '--realm=example.org', `--user=${testUser.name}:${testUser.password}`]
    coturn = await startCoturn([...words, `--cert=${testCertificate.cert}`, `--pkey=${testCertificate.key}`])
  })
  afterAll(() => coturn.close())

  test('stun asks over udp, tcp, tls and dtls where it is seen', async () => {
    for (const uri of [`127.0.0.1:${coturn.port}`]) {
      const { ok, findings } = await reported('stun', uri)
      expect(findings.map(({ level, subject }) => `${level} ${subject}`)).toEqual([
        'ok STUN udp v4',
        'ok STUN tcp v4',
        // coturn serves TLS and DTLS on its plain ports, too.
        'ok STUN tls v4',
        'ok STUN dtls v4',
      ])
      expect(findings[0]!.text).toMatch(/^127\.0\.0\.1:\d+ sees 127\.0\.0\.1:\d+ \(\d+(\.\d)? ms, Coturn-/)
      expect(ok).toBe(true)
    }
  })

  test.each([
    ['turn', 'udp', 'udp'],
    ['turn', 'tcp', 'tcp'],
    ['turns', 'tcp', 'tls'],
    ['turns', 'udp', 'dtls'],
  ])('turn relays over %s:…?transport=%s', async (scheme, over, transport) => {
    const port = scheme === 'turn' ? coturn.port : coturn.tlsPort
    const uri = `${scheme}:127.0.0.1:${port}?transport=${over}`
    const { exitCode, out, err } = await command('turn', uri, '-u', testUser.name, '-w', testUser.password)
    expect([exitCode, err]).toEqual([0, ''])
    const text = stripVTControlCharacters(out).replace(/\s+/g, ' ')
    expect(text).toContain(`✓ TURN ${transport} v4 relays from 127.0.0.1:`)
    expect(text).toContain('0 of 20 packets lost')
  })

  test('turn says that the password is another', async () => {
    const uri = `turn:127.0.0.1:${coturn.port}`
    expect(lines(await reported('turn', uri, '-u', 'alice', '-w', 'wrong'))).toEqual([
      [
        'failure TURN udp v4',
        'Allocate was refused with 401 Unauthenticated',
        'no user "alice" there, or another password or realm',
      ],
    ])
    expect(lines(await reported('turn', uri))[0]![2]).toContain('wants a login: -u NAME')
  })
})

describeWith(['coturn'], 'against coturn with a secret', () => {
  let coturn: CoturnServer
  beforeAll(async () => {
    coturn = await startCoturn(['--use-auth-secret', `--static-auth-secret=${testSecret}`, '--realm=example.org'])
  })
  afterAll(() => coturn.close())

  test('turn makes a name of the secret, or says that it is another', async () => {
    const uri = `turn:127.0.0.1:${coturn.port}`
    expect((await reported('turn', uri, `--secret=${testSecret}`)).ok).toBe(true)
    const [line] = lines(await reported('turn', uri, '--secret=another'))
    expect(line![2]).toMatch(/secret is not the server's static-auth-secret, or its clock is more than 10 min ahead/)
  })
})

describe('against our own server', () => {
  let server: TestServer
  beforeAll(async () => {
    // Any way to move packets will do, and one has to be named here.
    server = await startTestServer({ 'udp-io': 'dgram', rooms: false, signaling: false, dtls: true })
  })
  afterAll(() => server.close())

  test.each(['udp', 'tcp', 'tls', 'dtls'] as const)('turn relays over %s', async (transport) => {
    const scheme = transport === 'udp' || transport === 'tcp' ? 'turn' : 'turns'
    const over = transport === 'udp' || transport === 'dtls' ? 'udp' : 'tcp'
    const uri = `${scheme}:127.0.0.1:${server.ports[transport]}?transport=${over}`
    expect(lines(await reported('turn', uri, '--secret', testSecret))).toEqual([
      [`ok TURN ${transport} v4`, expect.stringMatching(/echo both ways in .* 0 of 20 packets lost$/), null],
    ])
    await server.expectNoAllocations()
  })

  test('a login of a user works like one of the secret', async () => {
    const uri = `127.0.0.1:${server.ports.udp}`
    expect((await reported('turn', uri, '--user=alice', `--password=${testUser.password}`)).ok).toBe(true)
  })
})

test('stun tells mapping and filtering of the NAT where the server has a second address (RFC 5780)', async () => {
  const [port, altPort] = [await freePort(), await freePort()]
  const server = await startForTest({
    'udp-io': 'dgram',
    rooms: false,
    signaling: false,
    rfc5780: true,
    'listening-ip': ['127.0.0.1', '127.0.0.2'],
    'listening-port': `${port}`,
    'alt-listening-port': `${altPort}`,
  })
  const { ok, findings } = await reported('stun', `stun:127.0.0.1:${server.udpPort('127.0.0.1')}`)
  expect([ok, findings[1]]).toEqual([
    true,
    {
      level: 'ok',
      subject: 'NAT',
      text: 'no NAT: the address is your own; anybody gets in once a port is open (endpoint-independent)',
      fix: null,
    },
  ])
})

test('says which packet got no answer where datagrams are dropped', async () => {
  const silent = createSocket('udp4')
  silent.bind(0, '127.0.0.1')
  await once(silent, 'listening')
  const { port } = silent.address()
  const { exitCode, out } = await command('turn', `127.0.0.1:${port}`)
  silent.close()
  expect(exitCode).toBe(1)
  const text = stripVTControlCharacters(out).replace(/\s+/g, ' ')
  expect(text).toContain(`✗ TURN udp v4 no answer to Allocate from 127.0.0.1:${port} over udp`)
  expect(text).toContain(`→ let udp port ${port} through each firewall and cloud rule, both ways`)
})

test('says that nobody listens', async () => {
  const socket = createSocket('udp4')
  socket.bind(0, '127.0.0.1')
  await once(socket, 'listening')
  const { port } = socket.address()
  socket.close()
  const [udp] = lines(await reported('stun', `stun:127.0.0.1:${port}`))
  expect(udp![1]).toBe(`no answer to Binding: nobody listens on 127.0.0.1:${port} over udp`)
  const [tcp] = lines(await reported('turn', `turn:127.0.0.1:${port}?transport=tcp`))
  expect(tcp![1]).toBe(`nobody listens on 127.0.0.1:${port} over tcp`)
})

test.each([
  [['turn', 'http://127.0.0.1'], '"http://127.0.0.1" is no URI of a TURN server'],
  [['turn', 'turn:127.0.0.1', '-u', 'alice'], '--user and --password go together'],
  [['turn'], "missing required argument 'uri'"],
  [['stun', '127.0.0.1:0'], '"127.0.0.1:0" names port 0; ports are 1 to 65535'],
])('%j is refused with 2', async (words, complaint) => {
  expect(await command(...words)).toEqual({ exitCode: 2, out: '', err: `webrtc-stack: ${complaint}` })
})
