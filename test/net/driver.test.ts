import { afterAll, expect, onTestFinished, test } from 'vitest'
import type { Log } from '../../src/log.ts'
import { ListenError } from '../../src/net/listen/listen-error.ts'
import { PortableTurn } from '../../src/net/portable-turn.ts'
import { Address } from '../../src/stun/address.ts'
import { FiveTuple } from '../../src/turn/five-tuple.ts'
import { defaultNet } from '../support/default-net.ts'
import { LoopbackClient, loopbackTurn, startTurn } from '../support/loopback-turn.ts'
import {
  connectTcp,
  expectNoSockets,
  localStream,
  localUdp,
  portOf,
  RecordingCore,
  silentLog,
  startRecorder,
} from '../support/sockets.ts'

afterAll(expectNoSockets)

test('a busy port stops the start, says so, and leaves nothing open', async () => {
  const first = await startRecorder({ udp: [localUdp], streams: [localStream] })
  for (const transport of ['udp', 'tcp'] as const) {
    const port = portOf(first, transport)
    const options = {
      ...defaultNet,
      udp: [localUdp, ...(transport === 'udp' ? [{ host: '127.0.0.1', port }] : [])],
      streams: [localStream, ...(transport === 'tcp' ? [{ ...localStream, port }] : [])],
    }
    const second = new PortableTurn(options, (effects) => new RecordingCore(effects), silentLog)
    const error = await second.start().catch((reason: unknown) => reason)
    expect(error).toBeInstanceOf(ListenError)
    expect(error).toMatchObject({ address: '127.0.0.1', port, transport, code: 'EADDRINUSE' })
    expect((error as ListenError).fix).toContain(`:${port}`)
  }
  await first.close()
  await expectNoSockets()
})

test.each([
  ['an address of another machine', '192.0.2.99', 'EADDRNOTAVAIL', 'external-ip'],
  ['a name', 'localhost', 'EINVAL', 'numeric'],
])('%s cannot be listened on', async (_name, host, code, fix) => {
  for (const where of [{ udp: [{ host, port: 0 }] }, { streams: [{ ...localStream, host }] }]) {
    const portable = new PortableTurn({ ...defaultNet, ...where }, (effects) => loopbackTurn(effects), silentLog)
    onTestFinished(() => portable.close())
    const error = await portable.start().catch((reason: unknown) => reason)
    expect(error).toMatchObject({ name: 'ListenError', code })
    expect((error as ListenError).fix).toContain(fix)
  }
})

test('closing in the middle of the start leaves nothing open', async () => {
  const options = { ...defaultNet, udp: [localUdp, localUdp], streams: [localStream, localStream] }
  const portable = new PortableTurn(options, (effects) => loopbackTurn(effects), silentLog)
  const started = portable.start()
  await portable.close()
  await started
  await expectNoSockets()
})

test('an Allocate that arrives while the driver closes leaves no relay behind', async () => {
  const portable = await startTurn()
  const client = await LoopbackClient.connect(portable, 'udp')
  await client.allocate()
  const late = await LoopbackClient.connect(portable, 'udp')
  const answer = late.allocate()
  answer.catch(() => {})
  await portable.close()
  expect(portable.driver.plane.openRelays).toBe(0)
})

/** A log that keeps its lines. */
function linesOf(): { log: Log; lines: { level: string; message: string; fields: object }[] } {
  const lines: { level: string; message: string; fields: object }[] = []
  const at = (level: string) => (fields: object, message: string) => lines.push({ level, message, fields })
  const log = { debug: at('debug'), info: at('info'), warn: at('warn'), isLevelEnabled: () => true }
  return { log: log as unknown as Log, lines }
}

test('RES-04 RES-09 refusals are logged once a minute for each source, with the reason and how many there were', () => {
  let now = 0
  const { log, lines } = linesOf()
  const portable = new PortableTurn({ ...defaultNet, clock: () => now }, (effects) => new RecordingCore(effects), log)
  const client = new FiveTuple('udp', Address.parse('192.0.2.7', 5)!, Address.parse('192.0.2.1', 3478)!, 0, 0)
  const refusal = { method: 3, code: 401, reason: 'no secret matched', username: '1700000000:alice' }
  for (let i = 0; i < 4; i++) portable.driver.refused(client, refusal)
  portable.driver.refused(client, { method: 3, code: 401, reason: 'no credentials yet' })
  now = 60_000
  portable.driver.refused(client, refusal)
  expect(lines.map(({ level, message }) => [level, message])).toEqual([
    ['info', 'request refused'],
    ['debug', 'request refused'],
    ['info', 'request refused'],
  ])
  expect(lines[2]!.fields).toMatchObject({ client: '192.0.2.7', reason: 'no secret matched', held: 3 })
})

test('RES-04 a limit of connections that is hit is logged', async () => {
  const { log, lines } = linesOf()
  const limits = { ...defaultNet.limits, perSource: 1 }
  const options = { ...defaultNet, streams: [localStream], limits }
  const portable = new PortableTurn(options, (effects) => new RecordingCore(effects), log)
  onTestFinished(() => portable.close())
  await portable.start()
  await connectTcp(portOf(portable, 'tcp'))
  for (let i = 0; i < 2; i++) await (await connectTcp(portOf(portable, 'tcp'))).closed
  const warnings = lines.filter(({ level }) => level === 'warn')
  expect(warnings).toEqual([
    {
      level: 'warn',
      message: 'connection refused',
      fields: { reason: 'too-many-from-source', client: '127.0.0.1', held: 0 },
    },
  ])
})
