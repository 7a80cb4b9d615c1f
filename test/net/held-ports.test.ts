import { createSocket } from 'node:dgram'
import { performance } from 'node:perf_hooks'
import { describe, expect, test } from 'vitest'
import { linuxSupport } from '../../src/net/linux/system-calls.ts'
import { Attribute, Method } from '../../src/stun/constants.ts'
import { LoopbackClient, startTurn } from '../support/loopback-turn.ts'
import { startRelayLoop } from '../support/relay-loop.ts'
import { portOf } from '../support/sockets.ts'

/** Whether another socket can have the port at this moment. */
async function isFree(port: number): Promise<boolean> {
  const socket = createSocket('udp4')
  const isFree = await new Promise<boolean>((resolve) => {
    socket.once('listening', () => resolve(true)).once('error', () => resolve(false))
    socket.bind({ port, address: '127.0.0.1', exclusive: true })
  })
  await new Promise<void>((resolve) => socket.close(() => resolve()))
  return isFree
}

const drivers: readonly (readonly [string, (clock: () => number) => Promise<number>])[] = [
  ['the portable driver', async (clock) => portOf(await startTurn({ clock }), 'udp')],
  ['the loop', async (clock) => startRelayLoop('127.0.0.1', { clock, relayHosts: ['127.0.0.1'] }).address.port],
]

describe.each(drivers.filter(([name]) => name !== 'the loop' || linuxSupport().available))('%s', (_name, start) => {
  async function reserved() {
    let skew = 0
    const server = await start(() => performance.now() + skew)
    const client = await LoopbackClient.overUdp(server)
    const answer = await client.allocate((writer) => writer.uint8(Attribute.EVEN_PORT, 0x80))
    const token = answer.message.value(Attribute.RESERVATION_TOKEN)!
    const odd = answer.address(Attribute.XOR_RELAYED_ADDRESS)!.port + 1
    const pass = (seconds: number) => {
      skew += seconds * 1000
    }
    return { server, client, token: Buffer.from(token), odd, pass }
  }

  test('TURN-EVEN-03 holds the port beside an even one for 30 s, and no longer', async () => {
    const { client, odd, pass } = await reserved()
    expect(await isFree(odd)).toBe(false)
    await client.ask(Method.REFRESH, (writer) => writer.uint32(Attribute.LIFETIME, 0))
    expect([await isFree(odd - 1), await isFree(odd)]).toEqual([true, false])
    pass(31)
    await expect.poll(() => isFree(odd)).toBe(true)
  })

  test('TURN-EVEN-04 what the token has brought to life stays when the 30 s are over', async () => {
    const { server, token, odd, pass } = await reserved()
    const other = await LoopbackClient.overUdp(server)
    const answer = await other.allocate((writer) => writer.bytes(Attribute.RESERVATION_TOKEN, token))
    expect([answer.code, answer.address(Attribute.XOR_RELAYED_ADDRESS)?.port]).toEqual([200, odd])
    pass(31)
    await other.ask(Method.REFRESH, (writer) => writer.uint32(Attribute.LIFETIME, 600))
    expect(await isFree(odd)).toBe(false)
    await other.ask(Method.REFRESH, (writer) => writer.uint32(Attribute.LIFETIME, 0))
    await expect.poll(() => isFree(odd)).toBe(true)
  })
})
