import { networkInterfaces } from 'node:os'
import { describe, expect, test } from 'vitest'
import { Attribute } from '../../src/stun/constants.ts'
import { NetworkClient } from '../support/network-client.ts'
import { startForTest, testUser } from '../support/server.ts'
import { freePort } from '../support/sockets.ts'
import type { Login } from '../support/turn-client.ts'
import { allocated, at } from './peer-client.ts'

const ALICE: Login = { username: testUser.name, password: testUser.password }
const BOTH_FAMILIES = { 'relay-ip': ['127.0.0.1', '::1'] }
const LOOPBACK = ['127.0.0.1', '127.255.255.254', '::1']

describe('the server itself as a peer', () => {
  test('SEC-05 its listeners are refused on every address of this machine, other ports are not', async () => {
    const metricsPort = await freePort()
    const server = await startForTest({
      ...BOTH_FAMILIES,
      dtls: true,
      prometheus: true,
      'prometheus-address': '127.0.0.1',
      'prometheus-port': String(metricsPort),
    })
    const { http, https, collider } = server.running.web!
    const listeners = server.turn.bound.map(({ address }) => address.port)
    const ports = new Set([http!.port, https!.port, collider!.port, metricsPort, ...listeners])
    expect(ports.size).toBe(8)
    const machine = Object.values(networkInterfaces()).flatMap((all) => all!.filter(({ scopeid }) => !scopeid))
    const own = new Set(['127.0.0.1', '127.0.0.2', '::1', '::ffff:127.0.0.1', ...machine.map(({ address }) => address)])

    const client = await allocated(server)
    let channel = 0x4000
    for (const host of own) {
      const permitted = (await client.permit(at(host))).code === 200
      for (const port of ports) {
        expect([host, port, (await client.bind(channel, at(host, port))).code]).toEqual([host, port, 403])
        const dropped = (await server.counters()).dropped['peer-denied']
        client.sendTo(at(host, port), 'GET / HTTP/1.1\r\n\r\n')
        await client.settled()
        if (permitted) expect((await server.counters()).dropped['peer-denied']).toBe(dropped + 1)
      }
      if (permitted && LOOPBACK.includes(host)) {
        expect([host, (await client.bind(channel++, at(host, 9))).code]).toEqual([host, 200])
      }
    }
    expect((await server.net()).relay.sentPackets).toBe(0)
  })

  test('SEC-05 its relays are open to each other, on relay ports alone', async () => {
    const server = await startForTest({
      'external-ip': '8.8.4.4/127.0.0.1',
      'min-port': '50000',
      'max-port': '50999',
    })
    const client = await NetworkClient.udp({ port: server.ports.udp, login: ALICE })
    const other = await NetworkClient.udp({ port: server.ports.udp, login: ALICE, from: '127.0.0.2' })
    const relay = (await client.allocate()).address(Attribute.XOR_RELAYED_ADDRESS)!
    const otherRelay = (await other.allocate()).address(Attribute.XOR_RELAYED_ADDRESS)!
    expect([relay.host, otherRelay.host]).toEqual(['8.8.4.4', '8.8.4.4'])
    expect((await client.bind(0x4000, otherRelay.toString())).code).toBe(200)
    expect((await other.permit(relay.toString())).code).toBe(200)
    client.sendOn(0x4000, 'to the other')
    expect((await other.data.next()).includes('to the other')).toBe(true)

    for (const port of [22, 49_999, 51_000, server.ports.udp]) {
      expect([port, (await client.bind(0x4001, `8.8.4.4:${port}`)).code]).toEqual([port, 403])
    }
  })

  test('SEC-05 that opens no loopback, in whichever form it is named', async () => {
    const server = await startForTest({
      'allow-loopback-peers': 'false',
      'external-ip': '8.8.4.4/127.0.0.1',
      'min-port': '50000',
      'max-port': '50999',
    })
    const client = await NetworkClient.udp({ port: server.ports.udp, login: ALICE })
    const relay = (await client.allocate()).address(Attribute.XOR_RELAYED_ADDRESS)!
    const port = relay.port === 50_000 ? 50_001 : 50_000
    expect((await client.bind(0x4000, `127.0.0.1:${port}`)).code).toBe(403)
    expect((await client.permit(`127.0.0.1:${port}`)).code).toBe(403)
    expect((await client.bind(0x4000, `8.8.4.4:${port}`)).code).toBe(403)
    expect((await client.permit(`8.8.4.4:${port}`)).code).toBe(403)
    client.sendOn(0x4000, 'to a service of this machine')
    client.sendTo(`8.8.4.4:${port}`, 'to a service of this machine')
    await client.settled()
    expect((await server.net()).relay.sentPackets).toBe(0)
  })
})
