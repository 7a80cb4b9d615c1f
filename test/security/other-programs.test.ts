import { describe, expect, test } from 'vitest'
import { Attribute } from '../../src/stun/constants.ts'
import { canEnterNetworks, enterNewNetwork, ip } from '../support/network.ts'
import { NetworkClient } from '../support/network-client.ts'
import { describeWith } from '../support/peers.ts'
import { startForTest, type TestOptions, testUser } from '../support/server.ts'
import { UdpClient } from '../support/sockets.ts'
import type { Login } from '../support/turn-client.ts'

const ALICE: Login = { username: testUser.name, password: testUser.password }
/** Of this machine; public, so that private peers are denied as they are by default there. */
const A = '8.8.8.1'
const B = '8.8.8.2'
const OUTSIDE = '8.8.4.4'
const RELAY_PORTS = { 'min-port': '10000', 'max-port': '32767' }

describe.runIf(canEnterNetworks())('other programs of this machine as peers', () => {
  describeWith(['iproute'], 'on a host with two addresses', () => {
    let channel = 0x4000

    /** A server on that host, and what else listens there. */
    async function host(options: TestOptions) {
      enterNewNetwork()
      ip('link add ours type veth peer name theirs')
      for (const address of [A, B]) ip(`addr add ${address}/24 dev ours`)
      for (const device of ['ours', 'theirs']) ip(`link set ${device} up`)
      // They listen to all that reaches this machine: a firewall in front of it is what protects them.
      const programs = [await UdpClient.at('0.0.0.0', 22), await UdpClient.at('0.0.0.0', 161)]
      const ephemeral = [await UdpClient.at(B, 20_000), await UdpClient.at(A, 20_001)]
      const server = await startForTest({ ...RELAY_PORTS, 'allow-loopback-peers': 'false', ...options })
      const client = () => NetworkClient.udp({ port: server.ports.udp, login: ALICE })
      return {
        server,
        client,
        heard: () => [...programs, ...ephemeral].reduce((sum, { inbox }) => sum + inbox.length, 0),
      }
    }

    async function attack(client: NetworkClient, address: string, ports: readonly number[]): Promise<number[]> {
      const codes: number[] = []
      for (const port of ports) {
        codes.push((await client.bind(channel, `${address}:${port}`)).code)
        client.sendOn(channel++, 'get all')
        client.sendTo(`${address}:${port}`, 'get all')
      }
      await client.settled()
      return codes
    }

    test('SEC-05 nothing reaches them, neither on the relay address nor on another', async () => {
      const { server, client, heard } = await host({ 'relay-ip': A })
      const alice = await client()
      const bob = await client()
      await alice.allocate()
      const relayed = String((await bob.allocate()).address(Attribute.XOR_RELAYED_ADDRESS))
      expect(relayed).toContain(A)
      expect((await alice.permit(`${B}:0`)).code).toBe(403)
      expect((await alice.permit(`${A}:0`)).code).toBe(200)
      expect(await attack(alice, B, [22, 161, 20_000])).toEqual([403, 403, 403])
      expect(await attack(alice, A, [22, 161, 20_001])).toEqual([403, 403, 403])
      expect([heard(), (await server.net()).relay.sentPackets]).toEqual([0, 0])

      await bob.permit(`${A}:0`)
      expect((await alice.bind(channel, relayed)).code).toBe(200)
      alice.sendOn(channel++, 'to bob')
      expect((await bob.data.next()).includes('to bob')).toBe(true)
      // A thread's lines come a little later.
      const reasons = async () => (await server.log()).map(({ reason }) => reason)
      await expect
        .poll(reasons)
        .toContain(`${B} is this machine, and nothing is relayed from there (allowed-peer-ip=${B} would open it)`)
    })

    test('SEC-05 allowed-peer-ip opens the address that it names, and no other', async () => {
      const { client, heard } = await host({ 'relay-ip': A, 'allowed-peer-ip': [B, '8.8.8.0/24'] })
      const alice = await client()
      await alice.allocate()
      expect(await attack(alice, A, [161, 20_001])).toEqual([403, 403])
      expect(heard()).toBe(0)
      expect((await alice.bind(channel, `${B}:161`)).code).toBe(200)
      alice.sendOn(channel, 'get all')
      await expect.poll(heard).toBe(1)
    })

    test.each([
      ['the relay address', A],
      ['an address that nothing is relayed from', B],
    ])('SEC-05 external-ip with %s behind it opens none', async (_name, behind) => {
      const { server, client, heard } = await host({ 'relay-ip': A, 'external-ip': `${OUTSIDE}/${behind}` })
      const alice = await client()
      await alice.allocate()
      for (const address of [OUTSIDE, A, B]) {
        expect(await attack(alice, address, [22, 161, 20_000, 20_001])).toEqual([403, 403, 403, 403])
      }
      expect([heard(), (await server.net()).relay.sentPackets]).toEqual([0, 0])
    })
  })
})
