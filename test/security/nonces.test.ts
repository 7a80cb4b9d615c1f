import { randomBytes } from 'node:crypto'
import { describe, expect, test, vi } from 'vitest'
import { Attribute, Method } from '../../src/stun/constants.ts'
import { NetworkClient } from '../support/network-client.ts'
import { rawMessage } from '../support/raw-message.ts'
import { startForTest, startTestServer, testUser } from '../support/server.ts'
import { UdpClient } from '../support/sockets.ts'
import type { Login } from '../support/turn-client.ts'
import { udp } from '../support/turn-world.ts'

const ALICE: Login = { username: testUser.name, password: testUser.password }

describe('nonces', () => {
  test('SEC-19 the nonce of another address or port is a 438', async () => {
    const server = await startForTest()
    const owner = await NetworkClient.udp({ port: server.ports.udp, login: ALICE, from: '127.0.7.1' })
    await owner.greet()
    const others = [
      await NetworkClient.udp({ port: server.ports.udp, login: ALICE, from: '127.0.7.1' }),
      await NetworkClient.udp({ port: server.ports.udp, login: ALICE, from: '127.0.7.2' }),
      await NetworkClient.tcp({ port: server.ports.tcp, login: ALICE, from: '127.0.7.1' }),
    ]
    for (const other of others) {
      const answer = await other.ask(Method.ALLOCATE, udp, { realm: owner.realm!, nonce: owner.nonce! })
      expect(answer.code).toBe(438)
      other.learn(answer)
      expect(other.nonce).not.toBe(owner.nonce)
      expect((await other.allocate()).code).toBe(200)
    }
    expect((await owner.allocate()).code).toBe(200)
  })

  test('SEC-19 with any one bit flipped it is refused, as 438 as long as it is text', async () => {
    const server = await startForTest({ 'unauthorized-ratelimit': 'false' })
    const client = await NetworkClient.udp({ port: server.ports.udp, login: ALICE })
    const nonce = Buffer.from((await client.greet()).nonce!)
    for (let bit = 0; bit < nonce.length * 8; bit++) {
      const flipped = Buffer.from(nonce)
      flipped[bit >> 3]! ^= 1 << (bit & 7)
      const request = rawMessage(Method.ALLOCATE, [
        [Attribute.REQUESTED_TRANSPORT, '11000000'],
        [Attribute.USERNAME, Buffer.from(ALICE.username)],
        [Attribute.REALM, Buffer.from(client.realm!)],
        [Attribute.NONCE, flipped],
        [Attribute.MESSAGE_INTEGRITY, randomBytes(20)],
      ])
      client.send(request)
      // The top bit alone makes bytes that are no UTF-8.
      expect([bit, (await client.answers.next()).code]).toEqual([bit, (bit & 7) === 7 ? 400 : 438])
    }
    expect((await client.allocate()).code).toBe(200)
  })

  test('SEC-19 one that is older than stale-nonce is a 438 with a fresh one, and the allocation lives on', async () => {
    const server = await startForTest({ 'stale-nonce': '2' })
    const peer = await UdpClient.open('127.0.7.9')
    const client = await NetworkClient.udp({ port: server.ports.udp, login: ALICE })
    expect((await client.allocate()).code).toBe(200)
    expect((await client.bind(0x4000, `127.0.7.9:${peer.port}`)).code).toBe(200)
    const old = client.nonce
    const stale = await vi.waitFor(
      async () => {
        const answer = await client.refresh(600)
        expect(answer.code).toBe(438)
        return answer
      },
      { timeout: 10_000, interval: 100 },
    )
    client.sendOn(0x4000, 'still here')
    expect(String((await peer.inbox.next()).bytes)).toBe('still here')
    client.learn(stale)
    expect(client.nonce).not.toBe(old)
    expect((await client.refresh(600)).code).toBe(200)
    expect((await server.holds()).allocations).toBe(1)
  })

  test('SEC-19 ten thousand are all different, and none tells another', { timeout: 60_000 }, async () => {
    const server = await startForTest()
    const client = await NetworkClient.tcp({ port: server.ports.tcp })
    const macs: Buffer[] = []
    const nonces = new Set<string>()
    for (let round = 0; round < 100; round++) {
      const requests = Array.from({ length: 100 }, () => client.request(Method.ALLOCATE, udp))
      for (const answer of await client.answersTo(...requests)) {
        const nonce = answer.message.text(Attribute.NONCE)!
        nonces.add(nonce)
        macs.push(Buffer.from(nonce.slice(13), 'base64').subarray(9))
      }
    }
    expect(nonces.size).toBe(10_000)
    // One nonce after another for one client: half of the 120 bits differ, in every bit half of the pairs.
    const flips = new Array<number>(120).fill(0)
    for (let i = 1; i < macs.length; i++) {
      let differing = 0
      for (let bit = 0; bit < 120; bit++) {
        const differs = ((macs[i]![bit >> 3]! ^ macs[i - 1]![bit >> 3]!) >> (bit & 7)) & 1
        differing += differs
        flips[bit]! += differs
      }
      expect(differing).toBeGreaterThan(15)
    }
    for (const count of flips) expect(Math.abs(count - 5000)).toBeLessThan(400)
  })

  test.each([
    ['of two servers with keys of their own', [], []],
    ['of two servers with different stateless-nonce-secret', 'a phrase of one server', 'a phrase of another'],
  ])("SEC-19 %s neither takes the other one's", async (_name, one, other) => {
    expect(await codeAtAnotherServer(one, other)).toBe(438)
  })

  test("SEC-19 servers that share stateless-nonce-secret take each other's", async () => {
    expect(await codeAtAnotherServer('a phrase they share', 'a phrase they share')).toBe(200)
  })

  /** The number of a free UDP port may well be taken for TCP. */
  const UDP_ALONE = { 'no-tcp': true, 'no-tls': true }

  /** What the nonce of a server is worth at another one that took over its port. */
  async function codeAtAnotherServer(one: string | string[], other: string | string[]): Promise<number> {
    const first = await startTestServer({ ...UDP_ALONE, 'stateless-nonce-secret': one })
    const port = first.ports.udp
    const client = await (await NetworkClient.udp({ port, login: ALICE })).greet()
    await first.close()
    await startForTest({ ...UDP_ALONE, 'stateless-nonce-secret': other, 'listening-port': String(port) })
    return (await client.allocate()).code
  }
})
