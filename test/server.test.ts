import { copyFileSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { connect } from 'node:tls'
import { fileURLToPath } from 'node:url'
import { afterEach, describe, expect, test } from 'vitest'
import { Attribute, Method } from '../src/stun/constants.ts'
import { NetworkClient } from './support/network-client.ts'
import { startTestServer, type TestServer, testSecret, testUser } from './support/server.ts'

const plain = (text: string) => text.replace(/\x1b\[[0-9;]*m/g, '')
const login = { username: testUser.name, password: testUser.password }
const WITHOUT_CERTIFICATE = { cert: [], pkey: [], 'tls-listening-port': [] }
let server: TestServer

afterEach(() => server.close())

describe('the summary after the start', () => {
  test('names the addresses to open, TURN URIs and how people log in, and no secret', async () => {
    server = await startTestServer()
    const text = plain(server.running.summary)
    const { web, turn } = server.running
    expect(text).toContain(`http://127.0.0.1:${web!.http!.port}`)
    expect(text).toContain(`https://127.0.0.1:${web!.https!.port}`)
    expect(text).toMatch(new RegExp(`wss://[^ ]+:${web!.collider!.port}/ws`))
    expect(text).toContain(`turn:127.0.0.1:${turn!.ports.udp}?transport=udp`)
    expect(text).toContain(`turn:127.0.0.1:${turn!.ports.tcp}?transport=tcp`)
    expect(text).toContain(`turns:127.0.0.1:${turn!.ports.tls}?transport=tcp`)
    expect(text).toContain('time-limited, from the shared secret')
    expect(text).toContain('accounts: alice')
    for (const secret of [testSecret, testUser.password]) expect(text).not.toContain(secret)
  })

  test('without certificate it says what that costs, and the fix', async () => {
    server = await startTestServer(WITHOUT_CERTIFICATE)
    const text = plain(server.running.summary)
    expect(text).toMatch(/! No certificate: .* on localhost only\.\n +Set cert= and pkey=, or start with --dev/)
    expect(text).not.toContain('turns:')
  })

  test('--dev makes a certificate, and says what it is worth', async () => {
    server = await startTestServer({ ...WITHOUT_CERTIFICATE, 'tls-listening-port': '0', dev: true })
    expect(plain(server.running.summary)).toMatch(/! The certificate was made for this run: /)
    expect((await certificateAt(server.running.web!.https!.port)).subject.CN).toBe('webrtc-stack development')
  })

  test('no-auth is called what it is', async () => {
    server = await startTestServer({ 'no-auth': true, user: [], 'static-auth-secret': [] })
    expect(plain(server.running.summary)).toMatch(/! Anybody who finds this server can relay through it/)
  })

  test('a relay-ip that this machine has not is named, and one that it has is not', async () => {
    server = await startTestServer({ 'relay-ip': ['192.0.2.99', '127.0.0.9'] })
    expect(plain(server.running.summary)).toMatch(/! No address of this machine: 192\.0\.2\.99 \(relay-ip\)\./)
  })
})

test('STUN-AUTH-14 with no realm configured the challenge has one all the same, and not an empty one', async () => {
  server = await startTestServer({ realm: [] })
  const client = await NetworkClient.udp({ port: server.ports.udp })
  const answer = await client.ask(Method.ALLOCATE, (writer) => writer.uint32(Attribute.REQUESTED_TRANSPORT, 17 << 24))
  expect(answer.message.text(Attribute.REALM)).toBe('webrtc-stack')
})

describe('/metrics', () => {
  test('RES-10 label values come from fixed sets: no user, room, client or address', async () => {
    server = await startTestServer()
    const client = await NetworkClient.tcp({ port: server.ports.tcp, login })
    await client.allocate()
    await fetch(`${server.url}/join/secret-room-name`, { method: 'POST' })
    const text = await metrics()
    expect(text).toMatch(/^webrtc_stack_rooms 1$/m)
    expect(text).toMatch(/^webrtc_stack_allocations(\{\})? 1$/m)
    for (const name of [testUser.name, 'secret-room-name', '127.0.0.1', testSecret]) expect(text).not.toContain(name)
    const labels = new Set([...text.matchAll(/[{,](\w+)="/g)].map(([, name]) => name))
    expect([...labels].filter((name) => !LABELS.includes(name!))).toEqual([])
  })

  test("has coturn's names, because dashboards exist", async () => {
    server = await startTestServer()
    const text = await metrics()
    for (const name of COTURN_NAMES) expect(text).toMatch(new RegExp(`^${name}(\\{[^}]*\\})? \\d+$`, 'm'))
  })

  test('the port of prometheus serves them too, and says ok at /', async () => {
    server = await startTestServer({ prometheus: true, 'prometheus-port': '0', 'prometheus-address': '127.0.0.1' })
    const { port } = server.running.metrics!
    expect(await (await fetch(`http://127.0.0.1:${port}/`)).text()).toBe('ok')
    expect(await (await fetch(`http://127.0.0.1:${port}/metrics`)).text()).toContain('turn_packet_processed')
    expect((await fetch(`http://127.0.0.1:${port}/other`)).status).toBe(404)
  })
})

test('draining shows at /readyz and refuses new allocations, while the old ones go on', async () => {
  server = await startTestServer()
  const old = await NetworkClient.udp({ port: server.ports.udp, login })
  await old.allocate()
  expect((await fetch(`${server.url}/readyz`)).status).toBe(200)
  server.running.operations.drain(null)
  // By now every thread knows.
  await server.readings()
  expect((await fetch(`${server.url}/readyz`)).status).toBe(503)
  expect((await fetch(`${server.url}/healthz`)).status).toBe(200)
  const late = await NetworkClient.udp({ port: server.ports.udp, login })
  expect((await late.allocate()).code).toBe(403)
  expect((await old.refresh(700)).code).toBe(200)
  await old.refresh(0)
})

test('reload puts a renewed certificate in front of new connections of every server', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'webrtc-stack-reload-'))
  const [cert, pkey] = [join(folder, 'cert.pem'), join(folder, 'key.pem')]
  const install = (name: string) => {
    copyFileSync(fixture(`${name}.crt`), cert)
    copyFileSync(fixture(`${name}.key`), pkey)
  }
  install('localhost-rsa')
  server = await startTestServer({ cert, pkey })
  const { web, turn } = server.running
  const ports = [web!.https!.port, web!.collider!.port, turn!.ports.tls!]
  const serials = () => Promise.all(ports.map(async (port) => (await certificateAt(port)).serialNumber))
  const before = await serials()
  install('localhost-ec')
  await server.reload()
  await server.readings()
  const after = await serials()
  rmSync(folder, { recursive: true })
  expect(new Set(before).size).toBe(1)
  expect(new Set(after).size).toBe(1)
  expect(after[0]).not.toBe(before[0])
})

test.each([
  ['a key that is not its own', 'localhost-ec.key', 'key.pem', '"pkey": is not the key of the certificate: '],
  ['no certificate in its file', 'localhost-rsa.key', 'cert.pem', '"cert": names a file that is no usable PEM '],
])('a reload that finds %s names the file, and the old certificate is served on', async (_name, from, to, message) => {
  const folder = mkdtempSync(join(tmpdir(), 'webrtc-stack-reload-'))
  const [cert, pkey] = [join(folder, 'cert.pem'), join(folder, 'key.pem')]
  copyFileSync(fixture('localhost-rsa.crt'), cert)
  copyFileSync(fixture('localhost-rsa.key'), pkey)
  server = await startTestServer({ cert, pkey })
  const ports = [server.running.web!.https!.port, server.running.turn!.ports.tls!]
  const serials = () => Promise.all(ports.map(async (port) => (await certificateAt(port)).serialNumber))
  const before = await serials()
  copyFileSync(fixture(from), join(folder, to))
  const result = await server.reload()
  rmSync(folder, { recursive: true })
  const named = expect.stringContaining(message)
  expect(result).toMatchObject({ isGood: false, problems: [{ message: named, fix: expect.any(String) }] })
  expect((await server.takeErrors())[0]).toContain(join(folder, to))
  expect(await serials()).toEqual(before)
})

const LABELS = [
  'answer',
  'limit',
  'step',
  'code',
  'direction',
  'io',
  'kind',
  'le',
  'reason',
  'side',
  'space',
  'transport',
  'type',
  'version',
  'major',
  'minor',
  'patch',
]

const COTURN_NAMES = [
  'stun_binding_request',
  'stun_binding_response',
  'stun_binding_error',
  'turn_total_traffic_rcvp',
  'turn_total_traffic_rcvb',
  'turn_total_traffic_sentp',
  'turn_total_traffic_sentb',
  'turn_total_traffic_peer_rcvp',
  'turn_total_traffic_peer_sentb',
  'turn_total_allocations',
  'turn_packet_processed',
  'turn_packet_dropped',
  'turn_unauthenticated_401_responses',
]

const fixture = (name: string) => fileURLToPath(new URL(`./fixtures/certificates/${name}`, import.meta.url))

async function metrics(): Promise<string> {
  // Threads show now and then what they have counted, and when they are asked.
  await server.readings()
  return (await fetch(`${server.url}/metrics`)).text()
}

function certificateAt(port: number) {
  return new Promise<ReturnType<ReturnType<typeof connect>['getPeerCertificate']>>((resolve, reject) => {
    const socket = connect({ port, host: '127.0.0.1', rejectUnauthorized: false }, () => {
      resolve(socket.getPeerCertificate())
      socket.destroy()
    }).once('error', reject)
  })
}
