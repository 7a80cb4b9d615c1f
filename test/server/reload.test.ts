import { once } from 'node:events'
import { copyFileSync, mkdtempSync, rmSync } from 'node:fs'
import { type AddressInfo, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { connect as connectTls } from 'node:tls'
import { describe, expect, onTestFinished, test } from 'vitest'
import { WebSocket } from 'ws'
import { ConfigError } from '../../src/config/config-error.ts'
import { Attribute } from '../../src/stun/constants.ts'
import { connectDtls } from '../support/dtls-client.ts'
import { NetworkClient } from '../support/network-client.ts'
import {
  certificateFile,
  loadForTest,
  startForTest,
  type TestOptions,
  type TestServer,
  testUser,
} from '../support/server.ts'
import { freePort, UdpClient } from '../support/sockets.ts'
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

  test('relay ports: new clients get one of the new range, and who has one of the old keeps it and his peers', async () => {
    const server = await startForTest({ 'min-port': '10000', 'max-port': '10999' })
    const peer = await UdpClient.open()
    const old = await NetworkClient.udp({ port: server.ports.udp, login })
    const before = (await old.allocate()).address(Attribute.XOR_RELAYED_ADDRESS)!
    await old.bind(0x4000, `127.0.0.1:${peer.port}`)
    await reload(server, { 'min-port': '20000', 'max-port': '20999' })
    const late = await NetworkClient.udp({ port: server.ports.udp, login })
    const after = (await late.allocate()).address(Attribute.XOR_RELAYED_ADDRESS)!
    expect([Math.floor(before.port / 1000), Math.floor(after.port / 1000)]).toEqual([10, 20])
    old.send(channelData(0x4000, Buffer.from('goes on')))
    expect((await peer.inbox.next()).bytes.toString()).toBe('goes on')
    expect((await old.bind(0x4001, `127.0.0.1:${after.port}`)).code).toBe(200)
    expect((await late.bind(0x4001, `127.0.0.1:${before.port}`)).code).toBe(200)
    old.send(channelData(0x4001, Buffer.from('to a newcomer')))
    expect((await late.data.next()).toString('latin1')).toContain('to a newcomer')
  })

  test('relay addresses: new clients get another, and who has one of before keeps it', async () => {
    const server = await startForTest()
    const old = await NetworkClient.udp({ port: server.ports.udp, login })
    const before = (await old.allocate()).address(Attribute.XOR_RELAYED_ADDRESS)!
    expect(await reload(server, { 'relay-ip': '127.0.0.7' })).toMatchObject({ isGood: true, afterRestart: [] })
    const late = await NetworkClient.udp({ port: server.ports.udp, login })
    const after = (await late.allocate()).address(Attribute.XOR_RELAYED_ADDRESS)!
    expect([before.host, after.host]).toEqual(['127.0.0.1', '127.0.0.7'])
    // Whoever is relayed from an address of before has peers there still.
    expect((await late.bind(0x4000, `127.0.0.1:${before.port}`)).code).toBe(200)
    expect((await old.bind(0x4000, `127.0.0.7:${after.port}`)).code).toBe(200)
    late.send(channelData(0x4000, Buffer.from('across')))
    expect((await old.data.next()).toString('latin1')).toContain('across')
  })

  test('what needs a restart is named, and everything else of the same file is in force', async () => {
    const server = await startForTest()
    const result = await reload(server, { 'relay-threads': '2', 'user-quota': '1' })
    expect(result).toMatchObject({ isGood: true, applied: ['user-quota'], afterRestart: ['relay-threads'] })
    const line = (await server.log()).at(-1)
    expect(line).toMatchObject({
      msg: 'reloaded; changed: user-quota; after a restart: relay-threads; the certificate is the same as before',
    })
  })
})

describe('listeners at a reload', () => {
  test('TURN moves to other ports: clients that are here go on, new ones come by the new ports alone, and the old ones are closed with the last client', async () => {
    const [plain, secure] = [await freePort(), await freePort()]
    const server = await startForTest({ 'listening-port': `${plain}`, 'tls-listening-port': `${secure}` })
    const peer = await UdpClient.open()
    const calls = await Promise.all(
      TRANSPORTS.map(async (transport) => {
        const client = await NetworkClient[transport]({ port: transport === 'tls' ? secure : plain, login })
        const relay = (await client.allocate()).address(Attribute.XOR_RELAYED_ADDRESS)!
        await client.bind(0x4000, `127.0.0.1:${peer.port}`)
        return { client, relay }
      }),
    )
    const stranger = await NetworkClient.udp({ port: plain, login })
    const moved = { 'listening-port': `${await freePort()}`, 'tls-listening-port': `${await freePort()}` }
    const result = await reload(server, moved)
    expect(result).toMatchObject({ isGood: true, applied: ['listening-port', 'tls-listening-port'], afterRestart: [] })
    expect(server.ports).toMatchObject({
      udp: Number(moved['listening-port']),
      tls: Number(moved['tls-listening-port']),
    })
    for (const transport of TRANSPORTS) {
      const client = await NetworkClient[transport]({ port: server.ports[transport], login })
      expect((await client.allocate()).code).toBe(200)
      client.close()
    }
    // Neither a new client nor a new connection.
    void stranger.greet()
    await expect(NetworkClient.tcp({ port: plain, login })).rejects.toThrow('ECONNREFUSED')
    for (const { client, relay } of calls) {
      client.send(channelData(0x4000, Buffer.from('goes on'), 1))
      expect((await peer.inbox.next()).bytes.toString()).toBe('goes on')
      peer.send(Buffer.from('and back'), relay.port)
      expect((await client.data.next()).toString('latin1')).toContain('and back')
      expect((await client.refresh(600)).code).toBe(200)
    }
    expect(stranger.receivedBytes).toBe(0)
    expect((await server.net()).dropped['closing-listener']).toBe(1)
    const isClosed = async () =>
      (await server.log()).some(
        ({ msg, address }) => msg === 'closed: its last client has gone' && address === `127.0.0.1:${plain}`,
      )
    expect(await isClosed()).toBe(false)
    for (const { client } of calls) expect((await client.refresh(0)).code).toBe(200)
    await expect.poll(isClosed, { timeout: 5000 }).toBe(true)
    // Somebody else may have it now.
    await UdpClient.at('127.0.0.1', plain)
  })

  test('back to a port that is not closed yet: it takes new clients again', async () => {
    const port = `${await freePort()}`
    const server = await startForTest({ 'listening-port': port })
    const old = await NetworkClient.udp({ port: Number(port), login })
    await old.allocate()
    await reload(server, { 'listening-port': `${await freePort()}` })
    await reload(server, { 'listening-port': port })
    const late = await NetworkClient.udp({ port: Number(port), login })
    expect((await late.allocate()).code).toBe(200)
    expect((await old.refresh(600)).code).toBe(200)
    expect((await server.log()).map(({ msg }) => msg)).toContain('listening again')
  })

  test('the page, the Collider and metrics move to other ports, and what is on its way is answered', async () => {
    const server = await startForTest({ prometheus: true, 'prometheus-port': '0' })
    const before = { http: server.running.web!.http!.port, collider: server.running.web!.collider!.port }
    const socket = new WebSocket(`ws://127.0.0.1:${before.http}/ws`)
    await once(socket, 'open')
    const moved = {
      'http-port': `${await freePort()}`,
      'https-port': `${await freePort()}`,
      port: `${await freePort()}`,
      'prometheus-port': `${await freePort()}`,
      'prometheus-path': '/numbers',
    }
    expect(await reload(server, { prometheus: true, ...moved })).toMatchObject({
      isGood: true,
      applied: expect.arrayContaining(Object.keys(moved)),
      afterRestart: [],
    })
    const { web, metrics } = server.running
    const ports = [web!.http, web!.https, web!.collider, metrics].map((at) => `${at!.port}`)
    expect(ports).toEqual([moved['http-port'], moved['https-port'], moved.port, moved['prometheus-port']])
    expect((await fetch(`${server.url}/readyz`)).status).toBe(200)
    expect((await fetch(`http://127.0.0.1:${moved['prometheus-port']}/numbers`)).status).toBe(200)
    for (const port of [before.http, before.collider])
      await expect(fetch(`http://127.0.0.1:${port}/readyz`)).rejects.toThrow()
    // Who had a WebSocket has it still.
    const answer = once(socket, 'message')
    socket.send(JSON.stringify({ cmd: 'send', msg: 'not registered' }))
    expect(String((await answer)[0])).toContain('error')
    socket.close()
    await expect
      .poll(async () => (await server.log()).filter(({ msg }) => msg === 'closed: its last client has gone').length)
      .toBeGreaterThanOrEqual(3)
    // Off again.
    await reload(server, moved)
    expect(server.running.metrics).toBeNull()
  })

  test('a port that somebody else has keeps everything as it was, and says who wanted it and how to go on', async () => {
    const server = await startForTest()
    const before = { ...server.ports, http: server.running.web!.http!.port }
    const taken = await UdpClient.open()
    const result = await reload(server, {
      'listening-port': `${taken.port}`,
      'http-port': `${await freePort()}`,
      cert: certificateFile('example-ec.crt'),
      pkey: certificateFile('example-ec.key'),
      'user-quota': '1',
    })
    expect(result).toMatchObject({ isGood: false })
    const [said] = await server.takeErrors()
    expect(said).toContain(`cannot listen on udp 127.0.0.1:${taken.port}: EADDRINUSE`)
    expect(said).toContain(`ss -ulnp 'sport = :${taken.port}'`)
    expect({ ...server.ports, http: server.running.web!.http!.port }).toEqual(before)
    // Nothing of the rest is in force either, the certificate included.
    for (let i = 0; i < 2; i++) expect((await allocate(server)).code).toBe(200)
    const tls = await NetworkClient.tls({ port: server.ports.tls, login })
    expect((await tls.allocate()).code).toBe(200)
  })

  test('a port of the page that somebody else has leaves TURN as it was: nothing is renewed by halves', async () => {
    const server = await startForTest()
    const { ports } = server
    const other = createServer()
    await new Promise<void>((resolve) => other.listen(0, '127.0.0.1', resolve))
    onTestFinished(() => void other.close())
    const result = await reload(server, {
      'listening-port': `${await freePort()}`,
      'http-port': `${(other.address() as AddressInfo).port}`,
      cert: certificateFile('example-ec.crt'),
      pkey: certificateFile('example-ec.key'),
    })
    expect(result).toMatchObject({ isGood: false })
    expect((await server.takeErrors())[0]).toContain('(wanted for the call page)')
    expect(server.ports).toEqual(ports)
    const socket = connectTls({ port: ports.tls, host: '127.0.0.1', rejectUnauthorized: false })
    await once(socket, 'secureConnect')
    expect(socket.getPeerCertificate().subject.CN).toBe('localhost')
    socket.destroy()
    expect((await allocate(server)).code).toBe(200)
  })

  test('DTLS: ciphers and limits hold for new handshakes', async () => {
    const server = await startForTest({ dtls: true })
    const { cipher } = await connectDtls(server.ports.dtls!)
    const other = 'ECDHE-RSA-CHACHA20-POLY1305'
    expect(cipher).not.toBe(other)
    const changed = { dtls: true, 'cipher-list': other }
    expect(await reload(server, changed)).toMatchObject({ isGood: true, applied: ['cipher-list'] })
    expect((await connectDtls(server.ports.dtls!)).cipher).toBe(other)
    await reload(server, { ...changed, 'max-dtls-sessions-per-address': '2' })
    const refused = connectDtls(server.ports.dtls!).then(
      () => 'let in',
      () => 'refused',
    )
    await expect.poll(async () => (await server.net()).dtls.refused).toBeGreaterThan(0)
    // OpenSSL says its ClientHello again until it is heard.
    await reload(server, changed)
    expect(await refused).toBe('let in')
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

test('calls over udp, tcp and tls lose no packet through a hundred reloads, whatever becomes of the listeners', async () => {
  const server = await startForTest()
  const ports = await Promise.all(Array.from({ length: 4 }, freePort))
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
      // Away from those of the calls, to others and on, and now and then back.
      'listening-port': i % 10 === 9 ? '0' : `${ports[i % 2]}`,
      'tls-listening-port': i % 10 === 9 ? '0' : `${ports[2 + (i % 2)]}`,
      'min-port': `${10_000 + i}`,
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
