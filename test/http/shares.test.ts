import { once } from 'node:events'
import { get } from 'node:http'
import { get as getTls } from 'node:https'
import { connect, type Socket } from 'node:net'
import { afterEach, expect, test } from 'vitest'
import { startTestServer, type TestOptions, type TestServer } from '../support/server.ts'
import { Service, until } from './service.ts'

let server: TestServer | Service
afterEach(() => server.close())

const GREEDY = '127.0.0.2'
const HONEST = '127.0.0.3'

async function start(options: TestOptions): Promise<TestServer> {
  const started = await startTestServer({ 'udp-io': 'dgram', ...options })
  server = started
  return started
}

/** Connections from one address that say nothing. */
async function silent(port: number, count: number, localAddress: string): Promise<Socket[]> {
  return Promise.all(
    Array.from({ length: count }, async () => {
      const socket = connect({ port, host: '127.0.0.1', localAddress })
      socket.on('error', () => {})
      socket.resume()
      await once(socket, 'connect')
      return socket
    }),
  )
}

/** The status of /healthz, asked from `localAddress` on a connection of its own; null when it is cut off. */
function health(port: number, localAddress: string, encrypted: boolean): Promise<number | null> {
  return new Promise((resolve) => {
    const options = { port, host: '127.0.0.1', localAddress, path: '/healthz', agent: false as const }
    const asked = encrypted
      ? getTls({ ...options, rejectUnauthorized: false }, ({ statusCode }) => resolve(statusCode!))
      : get(options, ({ statusCode }) => resolve(statusCode!))
    asked.on('error', () => resolve(null))
  })
}

test.each([
  ['http', false],
  ['https', true],
  ['collider', true],
] as const)('SEC-15 an address that has filled %s loses to an honest newcomer', async (name, encrypted) => {
  // The defaults are 20 000 and 2 048, more than this process can open.
  const { running } = await start({ 'max-connections': '20', 'max-connections-per-address': '0' })
  const { port } = running.web![name]!
  const held = await silent(port, 20, GREEDY)
  expect(await health(port, HONEST, encrypted)).toBe(200)
  await until(() => held.some(({ destroyed }) => destroyed))
  expect(running.web!.refused().connections).toMatchObject({ displaced: 1, 'too-many': 0 })
  for (const socket of held) socket.destroy()
})

test.each(['https', 'collider'] as const)(
  'SEC-15 unfinished handshakes on %s: a share for each address, and the greedy one loses',
  async (name) => {
    const { running } = await start({ 'max-tls-handshakes': '40', 'max-handshakes-per-address': '30' })
    const { port } = running.web![name]!
    const greedy = await silent(port, 31, GREEDY)
    await until(() => greedy.some(({ destroyed }) => destroyed))
    const others = await silent(port, 10, '127.0.0.4')
    expect(await health(port, HONEST, true)).toBe(200)
    expect(running.web!.refused().handshakes).toEqual({ 'too-many': 0, 'too-many-from-source': 1, displaced: 1 })
    for (const socket of [...greedy, ...others]) socket.destroy()
  },
)

test('SEC-52 an address that has taken all WebSockets loses one to an honest newcomer', async () => {
  const service = await Service.start({ http: { trustedProxies: ['127.0.0.1'] }, sockets: { total: 3, perSource: 0 } })
  server = service
  const from = (address: string) => service.connect(undefined, { 'X-Forwarded-For': address })
  const greedy = [await from(GREEDY), await from(GREEDY), await from(GREEDY)]
  const honest = await from(HONEST)
  await greedy[0]!.closed
  honest.say({ cmd: 'register', roomid: 'r', clientid: 'c' })
  await until(() => service.hub.counters.openSockets === 1)
  expect(service.hub.connections).toBe(3)
})

interface Answer {
  readonly result: string
  readonly params: { readonly client_id: string }
}

test('SEC-44 texts that wait for one address fill its share of the memory and no more', async () => {
  // So that requests of one machine come from several addresses.
  const { url } = await start({ 'trusted-proxy': '127.0.0.1' })
  const post = async (address: string, path: string, body = ''): Promise<Answer> => {
    const response = await fetch(url + path, { method: 'POST', body, headers: { 'X-Forwarded-For': address } })
    return (await response.json()) as Answer
  }
  const say = async (address: string, room: string, texts: number): Promise<string[]> => {
    const { client_id } = (await post(address, `/join/${room}`)).params
    const path = `/message/${room}/${client_id}`
    const answers: string[] = []
    for (let i = 0; i < texts; i++) answers.push((await post(address, path, 'x'.repeat(250_000))).result)
    return answers
  }
  const answers: string[] = []
  for (let i = 0; i < 12; i++) answers.push(...(await say(GREEDY, `r${i}`, 4)))
  expect(answers.map((answer) => answer === 'SUCCESS')).toEqual(answers.map((_, i) => i < 33))
  expect(await say(HONEST, 'honest', 1)).toEqual(['SUCCESS'])
  const text = await (await fetch(`${url}/metrics`)).text()
  expect(text).toContain(`webrtc_stack_waiting_bytes{kind="texts"} ${34 * (250_000 + 256)}\n`)
  expect(text).toContain('webrtc_stack_web_refused_total{kind="texts",reason="too-many-from-source"} 15\n')
  expect(text).toContain('webrtc_stack_web_refused_total{kind="rooms",reason="too-many-from-source"} 0\n')
})

test('RES-10 what was refused is in /metrics', async () => {
  const { running, url } = await start({ 'max-connections-per-address': '2' })
  const held = await silent(running.web!.http!.port, 2, GREEDY)
  expect(await health(running.web!.http!.port, GREEDY, false)).toBeNull()
  for (let i = 0; i < 62; i++) await fetch(`${url}/message/r/${i}`, { method: 'POST', body: 'x' })
  const text = await (await fetch(`${url}/metrics`)).text()
  expect(text).toContain('webrtc_stack_web_refused_total{kind="connections",reason="too-many-from-source"} 1\n')
  expect(text).toContain('webrtc_stack_web_refused_total{kind="websockets",reason="displaced"} 0\n')
  expect(text).toContain('webrtc_stack_web_limited_total{limit="unknown-clients"} 2\n')
  for (const socket of held) socket.destroy()
})
