import { type ListenOptions, Server } from 'node:net'
import { describe, expect, onTestFinished, test, vi } from 'vitest'
import { Metrics } from '../../src/metrics/metrics.ts'
import { linuxSupport } from '../../src/net/linux/system-calls.ts'
import { ListenError } from '../../src/net/listen/listen-error.ts'
import { ReuseListeners } from '../../src/net/listen/reuse-listeners.ts'
import { PortableTurn } from '../../src/net/portable-turn.ts'
import { SocketErrors } from '../../src/net/socket-errors.ts'
import { StreamListeners } from '../../src/net/stream/listeners.ts'
import { openMetrics } from '../../src/start/web/metrics-listener.ts'
import type { Address } from '../../src/stun/address.ts'
import { defaultConfig } from '../support/default-config.ts'
import { defaultNet } from '../support/default-net.ts'
import { loopbackTurn } from '../support/loopback-turn.ts'
import { localStream, localUdp, silentLog } from '../support/sockets.ts'

// With ipv6.disable=1 nobody gets a socket of that family, and the wildcards that are listened on by default stand for less.

vi.mock('../../src/net/linux/descriptors.ts', async (original) => {
  const { SystemCallError } = await import('../../src/net/linux/system-calls.ts')
  const real = await original<typeof import('../../src/net/linux/descriptors.ts')>()
  const refuse6 = (local: Address): void => {
    if (local.family === 6) throw new SystemCallError('socket', 'EAFNOSUPPORT')
  }
  const openTcpDescriptor: typeof real.openTcpDescriptor = (local, ...rest) => {
    refuse6(local)
    return real.openTcpDescriptor(local, ...rest)
  }
  const openUdpDescriptor: typeof real.openUdpDescriptor = (local, ...rest) => {
    refuse6(local)
    return real.openUdpDescriptor(local, ...rest)
  }
  return { ...real, openTcpDescriptor, openUdpDescriptor }
})

const { listen } = Server.prototype
vi.spyOn(Server.prototype, 'listen').mockImplementation(function (this: Server, ...words: unknown[]) {
  const refused = (words[0] as ListenOptions).host?.includes(':')
  if (!refused) return Reflect.apply(listen, this, words) as Server
  process.nextTick(() => this.emit('error', Object.assign(new Error('listen'), { code: 'EAFNOSUPPORT' })))
  return this
})

const errors = () => new SocketErrors(silentLog, () => performance.now())
const metricsWorld = () => ({ metrics: () => new Metrics().text(), errors: errors(), unready: () => null })

describe.runIf(linuxSupport().available)('the descriptors of threads', () => {
  test('for TCP are those of IPv4 where IPv6 is switched off, but not for an address that was written out', () => {
    const listeners = new StreamListeners(
      2,
      { listen: () => {}, stop: () => {} },
      new SocketErrors(silentLog, () => 0),
      silentLog,
    )
    onTestFinished(() => listeners.close())
    listeners.prepare([{ ...localStream, host: '::' }, localStream], 'all').commit()
    expect(listeners.addresses.map(({ host }) => host)).toEqual(['127.0.0.1'])
    expect(listeners.of(1)).toHaveLength(1)
    expect(() => listeners.prepare([localStream, { ...localStream, host: '::1' }], 'all')).toThrow(ListenError)
  })

  test('for UDP are those of IPv4 where IPv6 is switched off, but not for an address that was written out', () => {
    const listeners = new ReuseListeners({
      ...{ threads: 2, bufferSize: 0, errors: errors(), log: silentLog },
      users: { listen: () => {}, leave: () => {} },
    })
    onTestFinished(() => listeners.close())
    listeners.prepare([{ host: '::', port: 0 }, localUdp], 'all').commit()
    expect(listeners.addresses.map(({ host }) => host)).toEqual(['127.0.0.1'])
    expect(() => listeners.prepare([localUdp, { host: '::1', port: 0 }], 'all')).toThrow(ListenError)
  })
})

test('a thread that relays by itself listens on IPv4 where IPv6 is switched off', async () => {
  const streams = [localStream, { ...localStream, host: '::' }]
  const portable = new PortableTurn({ ...defaultNet, streams }, (effects) => loopbackTurn(effects), silentLog)
  onTestFinished(() => portable.close())
  await portable.start()
  expect(portable.addresses).toHaveLength(1)
  const chosen = { ...defaultNet, streams: [{ ...localStream, host: '::1' }] }
  await expect(new PortableTurn(chosen, (effects) => loopbackTurn(effects), silentLog).start()).rejects.toThrow(
    ListenError,
  )
})

test('the port for metrics is one of IPv4 where IPv6 is switched off', async () => {
  const config = { ...defaultConfig, prometheus: true, 'prometheus-port': 0 }
  const listener = await openMetrics(config, metricsWorld())
  onTestFinished(() => listener.close())
  expect(listener.address?.family).toBe('IPv4')
  const chosen = { ...config, 'prometheus-address': '::1' }
  await expect(openMetrics(chosen, metricsWorld())).rejects.toThrow('EAFNOSUPPORT')
})
