import { randomBytes } from 'node:crypto'
import { beforeEach, expect, onTestFinished, test } from 'vitest'
import { Method } from '../../src/stun/constants.ts'
import { clientHello, cookieOf } from '../support/client-hello.ts'
import { NetworkClient } from '../support/network-client.ts'
import { startTestServer, testUser } from '../support/server.ts'
import { UdpClient } from '../support/sockets.ts'
import { udp } from '../support/turn-world.ts'
import { watchCrypto } from '../support/watched-crypto.ts'

// Node's functions are watched in this thread alone, so the server must serve on it. What it calls is the same on all.
let compare: ReturnType<typeof watchCrypto<'timingSafeEqual'>>
beforeEach(() => {
  compare = watchCrypto('timingSafeEqual')
})

/** What was compared since the last look, if it was as long as `value`: how often, and whether `value` went in whole. */
function comparisonsOf(value: Buffer): { readonly count: number; readonly whole: boolean } {
  const calls = compare.mock.calls.filter((pair) => pair.every(({ byteLength }) => byteLength === value.length))
  const whole = calls.every((pair) => pair.some((side) => value.equals(Buffer.from(side as Uint8Array))))
  compare.mockClear()
  return { count: calls.length, whole }
}

async function start() {
  const server = await startTestServer({ dtls: true })
  onTestFinished(() => server.close())
  return server
}

test('SEC-18 the server compares an integrity value whole, wherever it is wrong', async () => {
  const server = await start()
  const login = { username: testUser.name, password: testUser.password }
  const client = await (await NetworkClient.udp({ port: server.ports.udp, login })).greet()
  const counts = new Set<number>()
  for (const wrong of [0, 1, 10, 19, null]) {
    const request = client.request(Method.ALLOCATE, udp)
    if (wrong !== null) request[request.length - 20 + wrong]! ^= 1
    const value = Buffer.from(request.subarray(-20))
    compare.mockClear()
    client.send(request)
    expect((await client.answers.next()).code).toBe(wrong === null ? 200 : 401)
    const { count, whole } = comparisonsOf(value)
    expect(whole).toBe(true)
    if (wrong !== null) counts.add(count)
    expect(count).toBeGreaterThan(0)
  }
  expect(counts.size).toBe(1)
})

test('SEC-18 the server compares a nonce whole, wherever it is wrong', async () => {
  const server = await start()
  const login = { username: testUser.name, password: testUser.password }
  const client = await (await NetworkClient.udp({ port: server.ports.udp, login })).greet()
  const right = Buffer.from(client.nonce!)
  for (const wrong of [0, 9, 13, 25, right.length - 1, null]) {
    const nonce = Buffer.from(right)
    if (wrong !== null) nonce[wrong] = nonce[wrong] === 0x41 ? 0x42 : 0x41
    compare.mockClear()
    const answer = await client.ask(Method.REFRESH, undefined, { nonce: nonce.toString() })
    expect(answer.code).toBe(wrong === null ? 437 : 438)
    expect(comparisonsOf(nonce)).toEqual({ count: 1, whole: true })
  }
})

test('SEC-18 the server compares a DTLS cookie whole, wherever it is wrong', async () => {
  const server = await start()
  const client = await UdpClient.open()
  const random = randomBytes(32)
  const send = async (bytes: Buffer) => {
    client.send(bytes, server.ports.dtls!)
    return (await client.inbox.next()).bytes
  }
  const right = cookieOf(await send(clientHello({ random })))
  for (const wrong of [0, right.length - 1, null]) {
    const cookie = Buffer.from(right)
    if (wrong !== null) cookie[wrong]! ^= 1
    compare.mockClear()
    const answer = await send(clientHello({ random, cookie }))
    expect(answer[13]).toBe(wrong === null ? 2 : 3)
    // Under today's key and under the one before, each time that OpenSSL asks.
    const { count, whole } = comparisonsOf(cookie)
    expect(whole).toBe(true)
    expect([count > 0, count % 2]).toEqual([true, 0])
  }
})
