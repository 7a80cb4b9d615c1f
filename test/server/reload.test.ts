import { copyFileSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { connect as connectTls } from 'node:tls'
import { describe, expect, onTestFinished, test } from 'vitest'
import { ConfigError } from '../../src/config/config-error.ts'
import { Attribute } from '../../src/stun/constants.ts'
import { NetworkClient } from '../support/network-client.ts'
import {
  certificateFile,
  loadForTest,
  startForTest,
  type TestOptions,
  type TestServer,
  testUser,
} from '../support/server.ts'
import { UdpClient } from '../support/sockets.ts'
import { channelData, type Login } from '../support/turn-client.ts'

const login: Login = { username: testUser.name, password: testUser.password }
const TRANSPORTS = ['udp', 'tcp', 'tls'] as const

/** Reads the configuration again, as if these options had been written since. */
const reload = (server: TestServer, options: TestOptions) =>
  server.reload(() => loadForTest({ 'relay-threads': '1', ...options }))

const allocate = async (server: TestServer, { username, password } = login) =>
  (await NetworkClient.udp({ port: server.ports.udp, login: { username, password } })).allocate()

describe('what is in force after a reload', () => {
  test('users and realm: who was added gets in, who was taken out does not, and loses what he has at his next request', async () => {
    const server = await startForTest()
    const old = await NetworkClient.udp({ port: server.ports.udp, login })
    expect((await old.allocate()).code).toBe(200)
    const result = await reload(server, { user: 'carol:over-the-sea' })
    expect(result).toMatchObject({ isGood: true, applied: ['user'], afterRestart: [] })
    expect((await allocate(server, { username: 'carol', password: 'over-the-sea' })).code).toBe(200)
    expect((await allocate(server)).code).toBe(401)
    expect((await old.refresh(600)).code).toBe(401)
    const ended = (await server.log()).find(({ msg }) => msg === 'allocation ended')
    expect(ended).toMatchObject({ reason: 'account-gone' })
    expect(await reload(server, { user: 'carol:over-the-sea', realm: 'other.test' })).toMatchObject({
      applied: ['realm'],
    })
    const again = await NetworkClient.udp({
      port: server.ports.udp,
      login: { username: 'carol', password: 'over-the-sea' },
    })
    expect((await again.allocate()).code).toBe(200)
    expect(again.realm).toBe('other.test')
  })

  test('secrets and their rotation: both work while both stand there, then the new one alone', async () => {
    const [before, after] = ['before-the-change-0', 'after-the-change-00']
    const server = await startForTest({ 'static-auth-secret': before })
    const credentials = async () => {
      const answer = await fetch(`${server.url}/v1alpha/iceconfig`, { method: 'POST' })
      const { iceServers } = (await answer.json()) as { iceServers: { username?: string; credential?: string }[] }
      const { username = '', credential: password = '' } = iceServers.find((one) => one.username)!
      return { username, password }
    }
    const old = await credentials()
    await reload(server, { 'static-auth-secret': [after, before] })
    const fresh = await credentials()
    expect((await allocate(server, old)).code).toBe(200)
    expect((await allocate(server, fresh)).code).toBe(200)
    await reload(server, { 'static-auth-secret': after })
    expect((await allocate(server, old)).code).toBe(401)
    expect((await allocate(server, fresh)).code).toBe(200)
  })

  test('quotas and peer rules: for new allocations, and for the next packet of running calls', async () => {
    const server = await startForTest()
    const peer = await UdpClient.open()
    const client = await NetworkClient.udp({ port: server.ports.udp, login })
    await client.allocate()
    await client.bind(0x4000, `127.0.0.1:${peer.port}`)
    await reload(server, { 'user-quota': '1', 'denied-peer-ip': '127.0.0.1' })
    expect((await allocate(server)).code).toBe(486)
    expect((await client.bind(0x4000, `127.0.0.1:${peer.port}`)).code).toBe(403)
    client.send(channelData(0x4000, Buffer.from('refused')))
    await expect.poll(async () => (await server.counters()).dropped['peer-denied']).toBe(1)
    await reload(server, { 'user-quota': '2' })
    expect((await allocate(server)).code).toBe(200)
    client.send(channelData(0x4000, Buffer.from('let through')))
    expect((await peer.inbox.next()).bytes.toString()).toBe('let through')
  })

  test('external-ip, log level, rooms and ICE options', async () => {
    const server = await startForTest()
    await reload(server, {
      'external-ip': '203.0.113.9/127.0.0.1',
      'log-min-level': 'warning',
      'room-grace-seconds': '33',
      'ice-server-urls': 'turn:turn.example.org',
    })
    const client = await NetworkClient.udp({ port: server.ports.udp, login })
    expect((await client.allocate()).address(Attribute.XOR_RELAYED_ADDRESS)!.host).toBe('203.0.113.9')
    expect((await server.log()).filter(({ msg }) => msg === 'allocation opened')).toEqual([])
    const join = await (await fetch(`${server.url}/join/reloaded`, { method: 'POST' })).text()
    expect(join).toContain('"room_grace_seconds":33')
    const ice = await (await fetch(`${server.url}/v1alpha/iceconfig`, { method: 'POST' })).text()
    expect(ice).toContain('turn:turn.example.org')
  })

  test('certificates, also from another file than before', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'webrtc-stack-reload-'))
    onTestFinished(() => rmSync(folder, { recursive: true }))
    const [cert, pkey] = [join(folder, 'cert'), join(folder, 'key')]
    copyFileSync(certificateFile('example-ec.crt'), cert)
    copyFileSync(certificateFile('example-ec.key'), pkey)
    const server = await startForTest()
    const subject = (port: number) =>
      new Promise<string>((resolve, reject) => {
        const socket = connectTls({ port, host: '127.0.0.1', rejectUnauthorized: false }, () => {
          resolve(socket.getPeerCertificate().subject.CN as string)
          socket.destroy()
        }).once('error', reject)
      })
    const ports = [server.ports.tls, server.running.web!.https!.port, server.running.web!.collider!.port]
    expect(new Set(await Promise.all(ports.map(subject)))).toEqual(new Set(['localhost']))
    const result = await reload(server, { cert, pkey })
    expect(result).toMatchObject({ isGood: true, applied: ['cert', 'pkey'], certificate: 'new' })
    expect(new Set(await Promise.all(ports.map(subject)))).not.toContain('localhost')
  })

  test('what needs a restart is named, and everything else of the same file is in force', async () => {
    const server = await startForTest()
    const result = await reload(server, { 'min-port': '20000', 'user-quota': '1' })
    expect(result).toMatchObject({ isGood: true, applied: ['user-quota'], afterRestart: ['min-port'] })
    const line = (await server.log()).at(-1)
    expect(line).toMatchObject({
      msg: 'reloaded; changed: user-quota; after a restart: min-port; the certificate is the same as before',
    })
  })
})

describe('what is wrong', () => {
  test('keeps the old configuration, says file, line and fix, and turns the gauge', async () => {
    const server = await startForTest()
    const gauge = async () =>
      /^webrtc_stack_config_last_reload_successful(?:\{\})? (\d)$/m.exec(
        await (await fetch(`${server.url}/metrics`)).text(),
      )?.[1]
    expect(await gauge()).toBe('1')
    const problem = new ConfigError({ where: 'turnserver.conf:7', key: 'user', message: '"user": no', fix: 'mend it' })
    const result = await server.reload(async () => {
      throw problem
    })
    expect(result).toMatchObject({ isGood: false, problems: [{ key: 'user', message: '"user": no', fix: 'mend it' }] })
    expect(await gauge()).toBe('0')
    expect((await allocate(server)).code).toBe(200)
    const said = await server.takeErrors()
    expect(said[0]).toBe(`reload refused: ${problem.toLine()}`)
    expect(said[1]).toContain('the configuration before goes on')
    await reload(server, {})
    expect(await gauge()).toBe('1')
  })

  test('a certificate that cannot be used changes nothing of the rest', async () => {
    const server = await startForTest()
    const result = await reload(server, { pkey: certificateFile('example-ec.key'), 'user-quota': '1' }).catch(
      (error: unknown) => error,
    )
    expect(result).toMatchObject({ isGood: false })
    await server.takeErrors()
    for (let i = 0; i < 2; i++) expect((await allocate(server)).code).toBe(200)
  })
})

test('calls over udp, tcp and tls lose no packet through a hundred reloads', async () => {
  const server = await startForTest()
  const calls = await Promise.all(
    TRANSPORTS.map(async (transport) => {
      const client = await NetworkClient[transport]({ port: server.ports[transport], login })
      const peer = await UdpClient.open()
      const relay = (await client.allocate()).address(Attribute.XOR_RELAYED_ADDRESS)!
      await client.bind(0x4000, `127.0.0.1:${peer.port}`)
      return { client, peer, relay }
    }),
  )
  for (let i = 0; i < 100; i++) {
    const reloading = reload(server, {
      'user-quota': String(10 + (i % 2)),
      user: [`${login.username}:${login.password}`, `u${i}:x`],
    })
    for (const { client, peer, relay } of calls) {
      // Padded to a multiple of four, as streams want it (RFC 8656 §12.5).
      client.send(channelData(0x4000, Buffer.from(`there ${i}`.padEnd(12)), 0))
      peer.send(Buffer.from(`back ${i}`), relay.port)
    }
    for (const { client, peer } of calls) {
      expect((await peer.inbox.next()).bytes.toString().trim()).toBe(`there ${i}`)
      expect((await client.data.next()).toString('latin1')).toContain(`back ${i}`)
    }
    expect(await reloading).toMatchObject({ isGood: true })
  }
  // Each of them makes TLS contexts of an RSA key anew, on a machine that does other things, too.
}, 90_000)
