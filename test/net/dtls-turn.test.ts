import { execFile, spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { promisify } from 'node:util'
import { expect, test } from 'vitest'
import type { TurnDriver } from '../../src/net/driver.ts'
import { DtlsServer } from '../../src/net/dtls.ts'
import type { DtlsWorld } from '../../src/net/dtls-endpoint.ts'
import { Attribute, Method } from '../../src/stun/constants.ts'
import type { StunWriter } from '../../src/stun/writer.ts'
import type { TurnServer } from '../../src/turn/turn-server.ts'
import { leaf } from '../support/dtls-host.ts'
import { LoopbackClient, startTurn } from '../support/loopback-turn.ts'
import { describeWith } from '../support/peers.ts'
import { portOf } from '../support/sockets.ts'
import { Answer, TurnClient } from '../support/turn-client.ts'

let driver: TurnDriver<TurnServer>
let dtls: DtlsServer

async function start(): Promise<number> {
  const options = {
    dtls: (world: DtlsWorld) => {
      dtls = new DtlsServer({ identity: leaf, random: randomBytes }, world)
      return dtls
    },
  }
  // turnutils_uclient takes channel numbers from the whole range of RFC 5766.
  driver = await startTurn(options, { rfc5766ChannelNumbers: true })
  return portOf(driver, 'udp')
}

describeWith(['coturn'], "coturn's client over DTLS", () => {
  test.each([
    ['channels', []],
    ['Send and Data', ['-s']],
  ])('NET-DTLS-01 relays with %s', { timeout: 60_000 }, async (_name, flags) => {
    const port = await start()
    const { stdout } = await promisify(execFile)('turnutils_uclient', [
      ...['-S', '-y', '-c', '-m', '2', '-n', '20', '-l', '300', '-z', '10', ...flags],
      ...['-u', 'alice', '-w', 'correct horse', '-p', String(port), '-L', '127.0.0.1', '127.0.0.1'],
    ])
    expect(stdout).toMatch(/tot_send_msgs=(\d+), tot_recv_msgs=\1\b/)
    expect(stdout).toMatch(/Total lost packets 0 /)
    expect(dtls.counters.opened).toBeGreaterThan(1)
    expect(dtls.counters.sendFailed).toBe(0)
  })
})

describeWith(['openssl'], 'openssl over DTLS', () => {
  test('NET-DTLS-02 plain STUN and DTLS share one port, and close_notify deletes the allocation', async () => {
    const port = await start()
    const plain = await LoopbackClient.connect(driver, 'udp')
    expect((await plain.allocate()).code).toBe(200)

    const words = ['-dtls1_2', '-quiet', '-no_ign_eof', '-connect', `127.0.0.1:${port}`]
    const program = spawn('openssl', ['s_client', ...words], { stdio: ['pipe', 'pipe', 'ignore'] })
    const client = new TurnClient({ username: 'alice', password: 'correct horse' })
    const ask = async (): Promise<Answer> => {
      const transport = (writer: StunWriter) => writer.uint32(Attribute.REQUESTED_TRANSPORT, 17 * 0x1000000)
      program.stdin.write(client.request(Method.ALLOCATE, transport))
      const [bytes] = (await once(program.stdout, 'data')) as [Buffer]
      return new Answer(bytes)
    }
    client.learn(await ask())
    expect((await ask()).code).toBe(200)
    expect(driver.turn.allocationCount).toBe(2)
    const overDtls = [...driver.turn.allocations].find(({ client }) => client.transport === 'dtls')
    expect(overDtls?.client.connection).toBeGreaterThan(0)

    program.stdin.end()
    await once(program, 'exit')
    await expect.poll(() => [...driver.turn.allocations].map(({ client }) => client.transport)).toEqual(['udp'])
    plain.close()
  })
})
