import { setTimeout as pause } from 'node:timers/promises'
import { describe, expect, test } from 'vitest'
import { linuxSupport } from '../../src/net/linux/system-calls.ts'
import { Address } from '../../src/stun/address.ts'
import { Attribute, Method } from '../../src/stun/constants.ts'
import { IpEndpoint } from '../support/ip-endpoint.ts'
import { LoopbackClient } from '../support/loopback-turn.ts'
import { canEnterNetworks, enterNewNetwork, ip } from '../support/network.ts'
import { describeWith } from '../support/peers.ts'
import { startRelayLoop } from '../support/relay-loop.ts'
import { channelData } from '../support/turn-client.ts'

const CHANNEL = 0x4000
const OURS = '192.0.2.1'
const THEIRS = '192.0.2.2'

function plugIn(peer: IpEndpoint): void {
  ip('link add ours type veth peer name theirs')
  ip(`link set theirs netns ${peer.pid}`)
  ip(`addr add ${OURS}/24 dev ours`)
  ip('link set ours up')
  ip(`addr add ${THEIRS}/24 dev theirs`, peer.pid)
  ip('link set theirs up', peer.pid)
}

describe.runIf(linuxSupport().available && canEnterNetworks())('an interface that vanishes under traffic', () => {
  describeWith(['iproute', 'python'], 'and comes back', () => {
    test('costs nobody else anything: what it takes with it is counted, and relayed again afterwards', async () => {
      enterNewNetwork()
      const peer = await IpEndpoint.open('0.0.0.0')
      enterNewNetwork()
      plugIn(peer)
      const { loop, address } = startRelayLoop('127.0.0.1', { relayHosts: ['127.0.0.1', OURS] })
      const [there, here] = [await allocation(address.port, OURS), await allocation(address.port, '127.0.0.1')]
      await there.client.bind(CHANNEL, Address.parse(THEIRS, peer.address.port)!)
      const neighbour = await IpEndpoint.open('127.0.0.1')
      await here.client.bind(CHANNEL, neighbour.address)
      const send = ({ client }: typeof there, text: string) => client.send(channelData(CHANNEL, Buffer.from(text)))

      send(there, 'plugged in')
      expect((await peer.inbox.next()).bytes.toString()).toBe('plugged in')
      for (let i = 0; i < 300; i++) {
        send(there, 'to nowhere')
        send(here, String(i))
        if (i === 100) ip('link del ours')
        if (i % 50 === 0) await pause(1)
      }
      // All of those that have another way arrive.
      for (let i = 0; i < 300; i++) expect((await neighbour.inbox.next()).bytes.toString()).toBe(String(i))
      const failed = () =>
        loop.driver.errors.entries.reduce((sum, [kind, , count]) => sum + (kind === 'relay' ? count : 0), 0)
      await expect.poll(failed).toBeGreaterThan(100)

      // Requests are answered, and newcomers get the address that is left.
      const refreshed = await there.client.ask(Method.REFRESH, (writer) => writer.uint32(Attribute.LIFETIME, 600))
      expect(refreshed.code).toBe(200)
      const codes: number[] = []
      for (let i = 0; i < 4; i++) codes.push((await (await LoopbackClient.overUdp(address.port)).allocate()).code)
      expect(codes).toEqual([200, 200, 200, 200])

      while (peer.inbox.length > 0) await peer.inbox.next()
      plugIn(peer)
      const heard = async () => {
        send(there, 'back')
        return peer.inbox.length > 0 && (await peer.inbox.next()).bytes.toString()
      }
      await expect.poll(heard, { timeout: 10_000 }).toBe('back')
    })
  })
})

/** A client of ours with a relayed address on this host. */
async function allocation(port: number, host: string) {
  for (let tries = 0; tries < 4; tries++) {
    const client = await LoopbackClient.overUdp(port)
    const relayed = (await client.allocate()).address(Attribute.XOR_RELAYED_ADDRESS)!
    if (relayed.host === host) return { client, relayed }
  }
  throw new Error(`no relayed address on ${host}`)
}
