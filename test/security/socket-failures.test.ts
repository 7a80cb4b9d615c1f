import { createSocket } from 'node:dgram'
import { readdirSync, readFileSync } from 'node:fs'
import { setTimeout } from 'node:timers/promises'
import { expect, onTestFinished, test, vi } from 'vitest'
import { Attribute } from '../../src/stun/constants.ts'
import { NetworkClient } from '../support/network-client.ts'
import { expectNoBug, program, type RunningProgram } from '../support/program.ts'
import { commandLine, type TestOptions, testUser, udpIo } from '../support/server.ts'
import { connectTcp, freePort, UdpClient } from '../support/sockets.ts'
import { channelData } from '../support/turn-client.ts'

const login = { username: testUser.name, password: testUser.password }
const RELAY = `127.${process.pid & 127}.${(process.pid >> 7) & 255}.8`

const start = (options: TestOptions, limits: { descriptors?: number; preload?: string } = {}) =>
  program.start(commandLine({ 'relay-ip': RELAY, 'unauthorized-ratelimit': false, ...options }), limits)

const openDescriptors = ({ pid }: RunningProgram) => readdirSync(`/proc/${pid}/fd`).length

/** Seconds of processor time that it has used. */
function cpuSeconds({ pid }: RunningProgram): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]!.split(' ')
  return (Number(fields[11]) + Number(fields[12])) / 100
}

/** `webrtc_stack_socket_errors_total` of one kind, by code. */
async function socketErrors(http: number, kind: string): Promise<Record<string, number>> {
  const text = await (await fetch(`http://127.0.0.1:${http}/metrics`)).text()
  const lines = text.matchAll(/^webrtc_stack_socket_errors_total\{kind="(\w+)",code="(\w+)"\} (\d+)$/gm)
  return Object.fromEntries(
    [...lines].filter(([, of]) => of === kind).map(([, , code, count]) => [code!, Number(count)]),
  )
}

// Enough to start with: Node opens many files at once to load its modules.
const DESCRIPTORS = 160

test('SEC-33 without descriptors an Allocate is 508 and nothing else suffers; with one again it works', async () => {
  const running = start({}, { descriptors: DESCRIPTORS })
  const ports = await running.listening()
  const clients: NetworkClient[] = []
  let code = 200
  while (code === 200) {
    const client = await NetworkClient.udp({ port: ports.udp, login })
    code = (await client.allocate()).code
    clients.push(client)
  }
  expect(code).toBe(508)
  expect(clients.length).toBeGreaterThan(20)
  const [first, last] = [clients[0]!, clients.at(-1)!]
  for (let i = 0; i < 20; i++) expect((await last.allocate()).code).toBe(508)

  // Connections are turned away by the system or end; who has an allocation notices nothing.
  for (const port of [ports.tcp, ports.http]) {
    const connections = await Promise.all(Array.from({ length: 10 }, () => connectTcp(port)))
    for (const { socket } of connections) socket.write('\0\u0001')
    await Promise.all(connections.map(({ closed }) => Promise.race([closed, setTimeout(200)])))
    for (const { socket } of connections) socket.destroy()
  }
  expect((await first.refresh(600)).code).toBe(200)
  const before = cpuSeconds(running)
  await setTimeout(1000)
  expect(cpuSeconds(running) - before).toBeLessThan(0.5)
  expectNoBug(running)
  const warnings = running.log.filter(({ kind, code }) => kind === 'relay' && code === 'EMFILE')
  expect(warnings).toHaveLength(1)

  expect((await first.refresh(0)).code).toBe(200)
  await vi.waitFor(async () => expect((await last.allocate()).code).toBe(200))
  expect((await first.allocate()).code).toBe(508)
  for (const client of clients.slice(1)) expect((await client.refresh(0)).code).toBe(200)
  await vi.waitFor(async () => expect((await socketErrors(ports.http, 'relay'))['EMFILE']).toBeGreaterThanOrEqual(22))
  expectNoBug(running)
})

test('SEC-33 connections never take the last descriptors: those turned away are counted, and one that ends makes room', async () => {
  const running = start({}, { descriptors: DESCRIPTORS })
  const ports = await running.listening()
  const first = await NetworkClient.tcp({ port: ports.tcp, login })
  expect((await first.allocate()).code).toBe(200)
  const connections = await Promise.all(Array.from({ length: DESCRIPTORS }, () => connectTcp(ports.tcp)))
  await vi.waitFor(async () => {
    const { EMFILE = 0 } = await socketErrors(ports.http, 'listener')
    expect(EMFILE).toBeGreaterThan(0)
    expect(EMFILE).toBe(connections.filter(({ ended }) => ended).length)
  })
  expect(openDescriptors(running)).toBeLessThan(DESCRIPTORS - 10)
  expect((await first.refresh(600)).code).toBe(200)
  for (const { socket } of connections) socket.destroy()
  await vi.waitFor(async () => {
    const client = await NetworkClient.tcp({ port: ports.tcp, login })
    expect((await client.allocate()).code).toBe(200)
  })
  expectNoBug(running)
})

test('SEC-33 relay ports that cannot be bound cost no descriptor', async () => {
  // Enough for threads; other programs have them all.
  for (let port = 50_000; port < 50_192; port++) await occupy(port)
  const running = start({ 'min-port': '50000', 'max-port': '50191' })
  const ports = await running.listening()
  const clients = await Promise.all(
    Array.from({ length: 10 }, () => NetworkClient.udp({ port: ports.udp, login }).then((client) => client.greet())),
  )
  const before = openDescriptors(running)
  for (const client of clients) expect((await client.allocate()).code).toBe(508)
  await vi.waitFor(() => expect(openDescriptors(running)).toBeLessThanOrEqual(before + 2))
  expectNoBug(running)
})

test('SEC-33 allocations that come and go leave no descriptor behind', async () => {
  const running = start({})
  const ports = await running.listening()
  const client = await NetworkClient.udp({ port: ports.udp, login })
  await client.allocate()
  await client.refresh(0)
  const before = openDescriptors(running)
  for (let round = 0; round < 100; round++) {
    expect((await client.allocate()).code).toBe(200)
    expect((await client.refresh(0)).code).toBe(200)
  }
  await vi.waitFor(() => expect(openDescriptors(running)).toBeLessThanOrEqual(before))
})

test.each(['tcp', 'udp'] as const)(
  'SEC-33 for a client over %s errors of sending are counted, and the relay goes on',
  async (transport) => {
    const running = start({})
    const ports = await running.listening()
    const client = await NetworkClient[transport]({ port: ports[transport], login })
    const peer = await UdpClient.open()
    await client.allocate()
    await client.bind(0x4000, `127.0.0.1:${peer.port}`)
    // Nobody listens there: ports that the system hands out begin higher.
    await client.bind(0x4001, '127.0.0.1:9')
    // From loopback there is no way to the world.
    await client.bind(0x4002, '198.51.100.1:9')
    // More than a datagram holds; only a stream can bring it.
    if (transport === 'tcp') client.send(channelData(0x4000, Buffer.alloc(65_532)))
    for (let i = 0; i < 5; i++) {
      client.sendOn(0x4001, 'nobody..')
      client.sendOn(0x4002, 'far.')
      await client.settled()
    }
    client.sendOn(0x4000, 'goes on.')
    expect((await peer.inbox.next()).bytes.toString()).toBe('goes on.')
    await vi.waitFor(async () => {
      const { EMSGSIZE = 0, ECONNREFUSED: _refused, ...unreachable } = await socketErrors(ports.http, 'relay')
      expect(EMSGSIZE).toBe(transport === 'tcp' ? 1 : 0)
      expect(Object.values(unreachable)).toEqual([5])
    })
    expectNoBug(running)
  },
)

test.each(['ENOBUFS', 'EMFILE', 'EPERM'])(
  'SEC-33 no listener ends the program when accepting fails with %s',
  async (code) => {
    // Tells each listening socket of each thread what the system would tell it.
    const preload = `
    const { Server } = require('node:net')
    const { constants } = require('node:os')
    const { BroadcastChannel, isMainThread } = require('node:worker_threads')
    const servers = []
    const { listen } = Server.prototype
    Server.prototype.listen = function (...words) {
      servers.push(this)
      return listen.apply(this, words)
    }
    const fail = () => {
      for (const { _handle } of servers) for (let i = 0; i < 3; i++) _handle.onconnection.call(_handle, -constants.errno.${code})
      console.log('accepting failed at ' + servers.length + (isMainThread ? ' here' : ' in a thread'))
    }
    const threads = new BroadcastChannel('fail')
    threads.onmessage = fail
    threads.unref()
    if (isMainThread) process.on('SIGWINCH', () => {
      fail()
      threads.postMessage('now')
    })`
    const running = start(
      { prometheus: true, 'prometheus-address': '127.0.0.1', 'prometheus-port': String(await freePort()) },
      { preload },
    )
    const ports = await running.listening()
    running.kill('SIGWINCH')
    const where = udpIo === 'dgram' ? /accepting failed at [5-9] here/ : /accepting failed at 2 in a thread/
    await Promise.race([running.ended, vi.waitFor(() => expect(running.out).toMatch(where))])
    expectNoBug(running)
    expect((await fetch(`http://127.0.0.1:${ports.http}/healthz`)).status).toBe(200)
    const client = await NetworkClient.tcp({ port: ports.tcp, login })
    expect((await client.allocate()).address(Attribute.XOR_RELAYED_ADDRESS)).not.toBeNull()
    expect((await socketErrors(ports.http, 'http'))[code]).toBeGreaterThanOrEqual(9)
    await vi.waitFor(async () => {
      expect((await socketErrors(ports.http, 'listener'))[code]).toBeGreaterThanOrEqual(3)
    })
  },
)

async function occupy(port: number): Promise<void> {
  const socket = createSocket('udp4')
  onTestFinished(() => new Promise<void>((resolve) => socket.close(() => resolve())))
  await new Promise<void>((resolve) => socket.bind({ port, address: RELAY, exclusive: true }, resolve))
}
