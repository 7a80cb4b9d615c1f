import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync } from 'node:fs'
import { request } from 'node:https'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Duplex } from 'node:stream'
import { afterEach, describe, expect, test } from 'vitest'
import { HttpListener } from '../../src/http/listener.ts'
import { createLog } from '../../src/log.ts'
import { Shares } from '../../src/net/limits/shares.ts'
import { defaultConnections, defaultHandshakes, defaultListener } from '../support/default-config.ts'
import { raw, Service, until } from './service.ts'

const WORLD = {
  options: defaultListener,
  trustedProxies: [],
  fetch: (_request: Request, { caller }: { caller: { secure: boolean } }) =>
    new Response(caller.secure ? 'secure' : 'plain'),
  upgrade: null,
  connections: new Shares<Duplex>(defaultConnections),
  handshakes: new Shares<Duplex>(defaultHandshakes),
  acceptFailed: () => {},
}

let opened: HttpListener | Service | undefined
afterEach(async () => {
  await opened?.close()
})

test('HTTPS is HTTP with a certificate', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'certificate-'))
  const [key, cert] = [join(folder, 'key.pem'), join(folder, 'cert.pem')]
  execFileSync(
    'openssl',
    [
      'req',
      '-x509',
      '-newkey',
      'ec',
      '-pkeyopt',
      'ec_paramgen_curve:prime256v1',
      '-nodes',
      '-subj',
      '/CN=localhost',
      '-keyout',
      key,
      '-out',
      cert,
    ],
    { stdio: 'ignore' },
  )
  const tls = { key: readFileSync(key), cert: readFileSync(cert) }
  opened = await HttpListener.open({ host: '127.0.0.1', port: 0, tls }, WORLD)
  const { port } = opened.address
  const body = await new Promise<string>((resolve, reject) => {
    const asked = request({ host: '127.0.0.1', port, rejectUnauthorized: false }, (response) => {
      response.on('data', (chunk: Buffer) => resolve(chunk.toString()))
    })
    asked.on('error', reject)
    asked.end()
  })
  expect(body).toBe('secure')
})

test('a port that is taken is said so', async () => {
  opened = await HttpListener.open({ host: '127.0.0.1', port: 0, tls: null }, WORLD)
  await expect(
    HttpListener.open({ host: '127.0.0.1', port: opened.address.port, tls: null }, WORLD),
  ).rejects.toMatchObject({
    code: 'EADDRINUSE',
  })
})

test('closing twice is closing once, and nothing listens any more', async () => {
  const listener = await HttpListener.open({ host: '127.0.0.1', port: 0, tls: null }, WORLD)
  const { port } = listener.address
  const idle = connect(port, '127.0.0.1')
  await new Promise((done) => idle.once('connect', done))
  await Promise.all([listener.close(), listener.close()])
  await expect(raw(`http://127.0.0.1:${port}/`)).rejects.toMatchObject({ code: 'ECONNREFUSED' })
  idle.destroy()
})

test('a service that is closed leaves no socket, server or timer', async () => {
  const resources = () => process.getActiveResourcesInfo().filter((name) => /TCP|Timeout|Pipe/.test(name)).length
  const before = resources()
  const service = await Service.start({ signaling: { messageBurst: 1, messagesPerSecond: 1 } })
  const { client_id } = (await service.join('r')).params
  const peer = await service.register('r', client_id)
  for (let i = 0; i < 100; i++) peer.send('held back')
  await raw(`${service.url}/turn`)
  const half = connect(service.listener.address.port, '127.0.0.1')
  half.on('error', () => {})
  half.write('POST /message/r/c HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nx')
  await service.close()
  await until(() => resources() <= before)
})

test('without a hub an upgrade is refused', async () => {
  opened = await HttpListener.open({ host: '127.0.0.1', port: 0, tls: null }, WORLD)
  const headers = { Connection: 'Upgrade', Upgrade: 'websocket' }
  expect((await raw(`http://127.0.0.1:${opened.address.port}/ws`, { headers })).status).toBe(400)
})

describe('callers that go away', () => {
  test('SEC-48 a body that breaks off is not logged', async () => {
    const file = join(mkdtempSync(join(tmpdir(), 'log-')), 'log')
    const service = await Service.start({ log: createLog({ level: 'info', pretty: false, destination: file }) })
    opened = service
    for (let i = 0; i < 5; i++) {
      const socket = connect(service.listener.address.port, '127.0.0.1')
      socket.on('error', () => {})
      socket.write('POST /message/r/c HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\nhalf')
      await new Promise((done) => setTimeout(done, 50))
      socket.resetAndDestroy()
    }
    await until(() => service.listener.server.listening)
    await new Promise((done) => setTimeout(done, 100))
    expect(readFileSync(file, 'utf8')).toBe('')
    expect((await raw(`${service.url}/healthz`)).status).toBe(200)
  })
})
