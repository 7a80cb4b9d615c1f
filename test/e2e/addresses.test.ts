import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { describe, expect, onTestFinished, test, vi } from 'vitest'
import { linuxSupport } from '../../src/net/linux/system-calls.ts'
import { Attribute } from '../../src/stun/constants.ts'
import { canEnterNetworks, enterNewNetwork, ip } from '../support/network.ts'
import { NetworkClient } from '../support/network-client.ts'
import { describeWith } from '../support/peers.ts'
import { program, type RunningProgram } from '../support/program.ts'
import { udpIo } from '../support/server.ts'
import { UdpClient } from '../support/sockets.ts'
import { channelData, type Login } from '../support/turn-client.ts'
import { run, uclient } from '../support/turnutils.ts'

const login: Login = { username: 'alice', password: 'under-the-mountain' }
const CHANNEL = 0x4000
const TURN = 3478
const IPV6 = 0x02000000

/** A machine that the program runs on, with a cable to that of the tests; each end has the addresses that it is given. */
class Neighbour {
  readonly pid: number
  readonly server: RunningProgram

  private constructor(pid: number, server: RunningProgram) {
    this.pid = pid
    this.server = server
  }

  /** Starts the program before there is any network but loopback, or with this address. */
  static async start(words: readonly string[] = [], address: string | null = null): Promise<Neighbour> {
    enterNewNetwork()
    const holder = spawn('unshare', ['--net', 'sh', '-ec', 'ip link set lo up; echo ready; exec sleep 300'], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    onTestFinished(async () => {
      holder.kill('SIGKILL')
      if (holder.exitCode === null && holder.signalCode === null) await once(holder, 'exit')
    })
    await once(holder.stdout, 'data')
    const plugIn = () => {
      ip(`link add world type veth peer name eth0 netns ${holder.pid}`)
      ip('link set world up')
      if (address !== null) ip(`addr add ${address} dev eth0`, holder.pid)
      ip('link set eth0 up', holder.pid)
    }
    if (address !== null) {
      plugIn()
      const isUp = () => run('nsenter', ['-t', String(holder.pid), '-n', 'ip', '-br', 'link', 'show', 'eth0'])
      // Linux says so up to a second later.
      await expect.poll(async () => (await isUp()).text, { timeout: 10_000 }).toContain(' UP ')
    }
    const options = { user: `${login.username}:${login.password}`, 'udp-io': `${udpIo}`, 'log-format': 'json' }
    const flags = Object.entries(options).map(([key, value]) => `--${key}=${value}`)
    const server = program.start(['serve', '-n', ...flags, ...words], { network: holder.pid! })
    await vi.waitFor(() => expect(server.out, server.err).toMatch(/\n/), { timeout: 30_000 })
    if (address === null) plugIn()
    return new Neighbour(holder.pid!, server)
  }

  /** Gives an address to the program's machine, and waits until it goes by it. */
  async add(address: string): Promise<void> {
    ip(`addr add ${address} dev eth0`, this.pid)
    await this.changed(({ come }) => (come as string[]).includes(address.split('/')[0]!))
  }

  async remove(address: string): Promise<void> {
    ip(`addr del ${address} dev eth0`, this.pid)
    await this.changed(({ gone }) => (gone as string[]).includes(address.split('/')[0]!))
  }

  /** Waits for the last line about its addresses to be like that. */
  async changed(isWanted: (line: Record<string, unknown>) => boolean): Promise<Record<string, unknown>> {
    return await vi.waitFor(
      () => {
        const last = this.server.log.findLast(({ msg }) => msg === 'the addresses of this machine have changed')
        expect(last, this.server.err).toBeDefined()
        expect(isWanted(last!), JSON.stringify(last)).toBe(true)
        return last!
      },
      { timeout: 10_000 },
    )
  }

  /** What the program answers on its own machine. */
  async get(path: string): Promise<string> {
    const fetching = `fetch('http://127.0.0.1:8080${path}').then(async (a) => console.log(a.status, await a.text()))`
    const { text } = await run('nsenter', ['-t', String(this.pid), '-n', process.execPath, '-e', fetching])
    return text.trim()
  }

  /** A client that has asked this address of the program for a relay. */
  async client(to: string): Promise<{ client: NetworkClient; relayed: { host: string; port: number } }> {
    const { client, answer } = await vi.waitFor(
      async () => {
        const client = await NetworkClient.udp({ port: TURN, login, from: to.includes(':') ? '::' : '0.0.0.0', to })
        // What it sends before its address is listened on gets no answer.
        const late = new Promise<never>((_, reject) => setTimeout(() => reject(new Error('no answer')), 1000))
        return { client, answer: await Promise.race([client.allocate(), late]) }
      },
      { timeout: 20_000 },
    )
    expect(answer.code).toBe(200)
    return { client, relayed: answer.address(Attribute.XOR_RELAYED_ADDRESS)! }
  }
}

/** Both directions between a client and a peer of its. */
async function expectTalk(
  client: NetworkClient,
  relayed: { host: string; port: number },
  peer: UdpClient,
  text: string,
) {
  client.send(channelData(CHANNEL, Buffer.from(text)))
  expect((await peer.inbox.next()).bytes.toString()).toBe(text)
  peer.send(Buffer.from(`${text} back`), relayed.port, relayed.host)
  expect((await client.data.next()).toString('latin1')).toContain(`${text} back`)
}

describe.runIf(linuxSupport().available && canEnterNetworks())('addresses while the program runs', () => {
  describeWith(['iproute', 'coturn'], 'of its machine', () => {
    test('it starts before the network is up, says that it is not ready, and relays when the network is there', async () => {
      const machine = await Neighbour.start()
      ip('addr add 10.7.0.2/24 dev world')
      expect(await machine.get('/readyz')).toBe('503 not ready: only loopback addresses to relay from')
      await machine.add('10.7.0.1/24')
      expect(await machine.get('/readyz')).toBe('200 ready')
      const { uris } = await machine.changed(() => true)
      expect(uris).toContain('turn:10.7.0.1:3478?transport=udp')
      const peer = spawn('turnutils_peer', ['-L', '10.7.0.2', '-p', '3480'], { stdio: 'ignore' })
      onTestFinished(() => void peer.kill('SIGKILL'))
      const words = ['-u', login.username, '-w', login.password, '-m', '2', '-n', '10', '-e', '10.7.0.2', '-r', '3480']
      const { text, ...sums } = await vi.waitFor(
        async () => {
          const summary = await uclient([...words, '-y', '-c', '10.7.0.1'], 15_000)
          expect(summary.code, summary.text).toBe(0)
          return summary
        },
        { timeout: 40_000, interval: 500 },
      )
      expect(sums, text).toMatchObject({ code: 0, lost: 0 })
      const relays = machine.server.log.filter(({ msg }) => msg === 'allocation opened').map(({ relays }) => relays)
      expect(JSON.stringify(relays)).not.toContain('127.0.0.1')
      await machine.remove('10.7.0.1/24')
      expect(await machine.get('/readyz')).toMatch(/^503/)
    }, 90_000)

    test('a changed address is where new clients are relayed from; a second one leaves the calls of the first alone', async () => {
      const machine = await Neighbour.start()
      for (const own of ['10.7.0.2/24', '10.8.0.2/24']) ip(`addr add ${own} dev world`)
      await machine.add('10.7.0.1/24')
      const peer = await UdpClient.open('10.7.0.2')
      const first = await machine.client('10.7.0.1')
      expect(first.relayed.host).toBe('10.7.0.1')
      expect((await first.client.bind(CHANNEL, `10.7.0.2:${peer.port}`)).code).toBe(200)
      await expectTalk(first.client, first.relayed, peer, 'before')

      await machine.add('10.8.0.1/24')
      await expectTalk(first.client, first.relayed, peer, 'beside another')
      const second = await machine.client('10.8.0.1')
      expect(second.relayed.host).toBe('10.8.0.1')
      // Two clients of one server reach each other, whichever address each has.
      expect((await second.client.permit('10.7.0.1:1')).code).toBe(200)
      expect((await first.client.refresh(600)).code).toBe(200)

      // What a DHCP server does that gives out another address.
      await machine.remove('10.7.0.1/24')
      await machine.add('10.7.0.99/24')
      const third = await machine.client('10.7.0.99')
      expect(third.relayed.host).toBe('10.7.0.99')
      expect((await third.client.bind(CHANNEL, `10.7.0.2:${peer.port}`)).code).toBe(200)
      await expectTalk(third.client, third.relayed, peer, 'at the new address')

      // Back again: who was there before goes on, and newcomers get it.
      await machine.add('10.7.0.1/24')
      await expectTalk(first.client, first.relayed, peer, 'back')
      const fourth = await machine.client('10.7.0.1')
      expect(fourth.relayed.host).toBe('10.7.0.1')
      expect(fourth.relayed.port).not.toBe(first.relayed.port)
      expect((await first.client.refresh(600)).code).toBe(200)
    }, 60_000)

    test('a public address closes private networks to new clients, and not to calls that run', async () => {
      const machine = await Neighbour.start()
      for (const own of ['10.7.0.2/24', '9.9.9.2/24']) ip(`addr add ${own} dev world`)
      await machine.add('10.7.0.1/24')
      const peer = await UdpClient.open('10.7.0.2')
      const running = await machine.client('10.7.0.1')
      expect((await running.client.bind(CHANNEL, `10.7.0.2:${peer.port}`)).code).toBe(200)
      await machine.add('9.9.9.1/24')
      await expectTalk(running.client, running.relayed, peer, 'goes on')
      expect((await running.client.bind(CHANNEL, `10.7.0.2:${peer.port}`)).code).toBe(200)
      const late = await machine.client('9.9.9.1')
      expect(late.relayed.host).toBe('9.9.9.1')
      expect((await late.client.permit('10.7.0.2:1')).code).toBe(403)
      expect((await late.client.permit('9.9.9.2:1')).code).toBe(200)
      expect(machine.server.log.map(({ msg }) => String(msg))).toContainEqual(
        expect.stringMatching(/^peers in private networks are refused/),
      )
      await machine.remove('9.9.9.1/24')
      const again = await machine.client('10.7.0.1')
      expect((await again.client.permit('10.7.0.2:1')).code).toBe(200)
    }, 60_000)

    test('what external-ip stands for follows, and who is relayed under it is reached by others', async () => {
      const machine = await Neighbour.start(['--external-ip=203.0.113.9'])
      ip('addr add 10.7.0.2/24 dev world')
      for (const own of ['10.7.0.1', '10.7.0.99']) {
        await machine.add(`${own}/24`)
        const [one, other] = [await machine.client(own), await machine.client(own)]
        expect([one.relayed.host, other.relayed.host]).toEqual(['203.0.113.9', '203.0.113.9'])
        expect((await one.client.bind(CHANNEL, `203.0.113.9:${other.relayed.port}`)).code).toBe(200)
        expect((await other.client.permit(`203.0.113.9:${one.relayed.port}`)).code).toBe(200)
        one.client.send(channelData(CHANNEL, Buffer.from('across')))
        expect((await other.client.data.next()).toString('latin1')).toContain('across')
        await machine.remove(`${own}/24`)
      }
    }, 60_000)

    test('an interface that is named stands for what it has: over UDP and TCP, and while it has nothing nobody is told that it had', async () => {
      const machine = await Neighbour.start(['--listening-device=eth0'], '10.7.0.1/24')
      ip('addr add 10.7.0.2/24 dev world')
      expect((await machine.client('10.7.0.1')).relayed.host).toBe('10.7.0.1')
      await machine.remove('10.7.0.1/24')
      expect(await machine.get('/readyz')).toBe('503 not ready: no address to relay from')
      await machine.add('10.7.0.99/24')
      expect((await machine.client('10.7.0.99')).relayed.host).toBe('10.7.0.99')
      const tcp = await NetworkClient.tcp({ port: TURN, login, from: '10.7.0.2', to: '10.7.0.99' })
      const relayed = (await tcp.allocate()).address(Attribute.XOR_RELAYED_ADDRESS)!
      expect(relayed.host).toBe('10.7.0.99')
      expect(await machine.get('/readyz')).toBe('200 ready')
      const messages = machine.server.log.map(({ msg }) => String(msg))
      expect(messages).toContain('accepts no more connections; those that are here stay')
      expect(messages).toContain('takes no new clients, and is closed when its last one has gone')
    }, 60_000)

    test('IPv6 that comes later is offered, on the client’s side and on the peer’s', async () => {
      const machine = await Neighbour.start()
      ip('addr add 10.7.0.2/24 dev world')
      ip('addr add 2a00:1::2/64 dev world nodad')
      await machine.add('10.7.0.1/24')
      const { client: early } = await machine.client('10.7.0.1')
      expect((await early.permit('10.7.0.2:1')).code).toBe(200)
      // Duplicates of itself are looked for: it is there for a second or two before anybody may be bound to it.
      await machine.add('2a00:1::1/64')
      const peer = await UdpClient.open('2a00:1::2')
      const relayed6 = await vi.waitFor(
        async () => {
          const client = await NetworkClient.udp({ port: TURN, login, from: '0.0.0.0', to: '10.7.0.1' })
          const answer = await client.allocate((writer) => writer.uint32(Attribute.REQUESTED_ADDRESS_FAMILY, IPV6))
          expect(answer.code).toBe(200)
          return { client, relayed: answer.address(Attribute.XOR_RELAYED_ADDRESS)! }
        },
        { timeout: 10_000, interval: 250 },
      )
      expect(relayed6.relayed.host).toBe('2a00:1::1')
      expect((await relayed6.client.bind(CHANNEL, `[2a00:1::2]:${peer.port}`)).code).toBe(200)
      await expectTalk(relayed6.client, relayed6.relayed, peer, 'by IPv6')
      await machine.client('2a00:1::1')
    }, 60_000)
  })
})
