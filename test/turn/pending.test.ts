import { randomBytes } from 'node:crypto'
import { fc, test as propertyTest } from '@fast-check/vitest'
import { expect, test } from 'vitest'
import { Address } from '../../src/stun/address.ts'
import { ErrorCode, MessageClass, Method } from '../../src/stun/constants.ts'
import { StunMessage } from '../../src/stun/message.ts'
import { StunWriter } from '../../src/stun/writer.ts'
import { FiveTuple } from '../../src/turn/five-tuple.ts'
import { type Awaited, Pending } from '../../src/turn/pending.ts'
import { type Exchange, type Reply, type Responder, refuse } from '../../src/turn/reply.ts'

const LATE = refuse(ErrorCode.SERVER_ERROR, 'late')
const PATIENCE_MS = 10_000

/** A Pending whose answers and replays are written down. */
function world() {
  const answers: { readonly exchange: Exchange; readonly reply: Reply }[] = []
  const replays: string[] = []
  const responder = { respond: (exchange, reply) => answers.push({ exchange, reply }) } as Pick<Responder, 'respond'>
  const held: string[] = []
  const effects = {
    pauseClient: ({ client }: FiveTuple) => void held.push(client.toString()),
    resumeClient: ({ client }: FiveTuple) => void held.splice(held.indexOf(client.toString()), 1),
  }
  const pending = new Pending(responder as Responder, effects, (bytes) =>
    replays.push(StunMessage.parse(bytes)!.transactionId().toString('hex')),
  )
  const park = (
    client: FiveTuple,
    awaits: Awaited = 'account',
    now = 0,
    transactionId = randomBytes(12),
    method: number = Method.REFRESH,
  ) => {
    const request = requestOf(transactionId)
    const exchange = { method, transactionId: request, client, user: null, fingerprint: false }
    return pending.park(request, exchange, awaits, () => LATE, now)
  }
  return { pending, answers, replays, held, park }
}

function requestOf(transactionId: Buffer): StunMessage {
  const writer = new StunWriter().begin(Method.REFRESH, MessageClass.REQUEST, transactionId)
  const end = writer.end()
  return StunMessage.parse(Buffer.from(writer.buffer.subarray(writer.start, end)))!
}

function clientAt(host: string, port: number, connection = 0): FiveTuple {
  const transport = connection === 0 ? 'udp' : 'tcp'
  return new FiveTuple(transport, Address.parse(host, port)!, Address.parse('192.0.2.1', 3478)!, 0, connection)
}

test('TURN-TCP-14 nothing is read behind a ConnectionBind that waits, whatever for and however it leaves', () => {
  const { pending, held, park } = world()
  const stream = clientAt('198.51.100.1', 1, 7)
  const wait = (awaits: Awaited) => park(stream, awaits, 0, randomBytes(12), Method.CONNECTION_BIND)!
  for (const leave of [
    (id: number) => pending.answer(id, LATE),
    (id: number) => pending.replay(id, 1),
    (id: number) => pending.drop(id),
    () => pending.sweep(PATIENCE_MS),
  ]) {
    for (const awaits of ['account', 'connection'] as const) {
      const id = wait(awaits)
      expect(held).toEqual(['198.51.100.1:1'])
      leave(id)
      expect(held).toEqual([])
    }
  }
  // Other requests hold nothing up, and neither does a datagram.
  park(stream, 'peer', 0, randomBytes(12), Method.CONNECT)
  park(clientAt('198.51.100.1', 2), 'account', 0, randomBytes(12), Method.CONNECTION_BIND)
  expect(held).toEqual([])
})

test('TURN-TCP-07 a peer has thirty seconds, everything else ten, whichever came first', () => {
  const { pending, answers, park } = world()
  park(clientAt('198.51.100.1', 1), 'peer', 0)
  park(clientAt('198.51.100.1', 2), 'ticket', 1000)
  pending.sweep(11_000)
  expect(answers.map(({ exchange }) => exchange.client.client.port)).toEqual([2])
  pending.sweep(29_999)
  expect(answers).toHaveLength(1)
  pending.sweep(30_000)
  expect(answers.map(({ exchange }) => exchange.client.client.port)).toEqual([2, 1])
})

test('a request leaves once, answered or received again', () => {
  const { pending, answers, replays, park } = world()
  const [answered, replayed] = [park(clientAt('198.51.100.1', 1)), park(clientAt('198.51.100.1', 2))]
  for (let i = 0; i < 2; i++) {
    pending.answer(answered!, { lifetimeSeconds: 600 })
    pending.replay(answered!, 0)
    pending.replay(replayed!, 0)
    pending.answer(replayed!, { lifetimeSeconds: 600 })
  }
  expect(answers.map(({ reply }) => reply)).toEqual([{ lifetimeSeconds: 600 }])
  expect(replays).toHaveLength(1)
  expect(pending.count('account')).toBe(0)
})

test('what is kept outlives the packet it came in', () => {
  const { pending, answers, replays, park } = world()
  const client = clientAt('198.51.100.1', 1)
  const transactionId = randomBytes(12)
  const [first, second] = [park(client, 'ticket', 0, transactionId), park(client, 'account', 0, transactionId)]
  client.client.setIpv4(0, 0)
  pending.answer(first!, {})
  pending.replay(second!, 0)
  expect(answers[0]!.exchange.client.client.toString()).toBe('198.51.100.1:1')
  expect(answers[0]!.exchange.transactionId).toEqual(transactionId)
  expect(replays).toEqual([transactionId.toString('hex')])
})

test('RFC 8656 §7.4 the same request again is known, another one of its client is not', () => {
  const { pending, park } = world()
  const client = clientAt('198.51.100.1', 1)
  const transactionId = randomBytes(12)
  park(client, 'relay', 0, transactionId)
  expect(pending.isRepeated(requestOf(transactionId), client)).toBe(true)
  expect(pending.isRepeated(requestOf(randomBytes(12)), client)).toBe(false)
  expect(pending.isRepeated(requestOf(transactionId), clientAt('198.51.100.1', 2))).toBe(false)
})

test('nobody waits for longer than ten seconds', () => {
  const { pending, answers, park } = world()
  park(clientAt('198.51.100.1', 1), 'account', 0)
  park(clientAt('198.51.100.1', 2), 'ticket', 5000)
  pending.sweep(PATIENCE_MS - 1)
  expect(answers).toEqual([])
  pending.sweep(PATIENCE_MS)
  expect(answers.map(({ exchange, reply }) => [exchange.client.client.port, reply])).toEqual([[1, LATE]])
  pending.sweep(5000 + PATIENCE_MS)
  expect(answers).toHaveLength(2)
})

test('RES-04 one source takes its own share and no more, an IPv6 network counts as one', () => {
  const { park } = world()
  const take = (host: string, count: number) =>
    Array.from({ length: count }, (_, i) => park(clientAt(host, 1000 + i))).filter((id) => id !== null).length
  expect(take('198.51.100.1', 100)).toBe(64)
  expect(take('198.51.100.2', 100)).toBe(64)
  expect(take('2001:db8::1', 40) + take('2001:db8::2', 40)).toBe(64)
})

test('one that is too long to be kept is refused', () => {
  const { pending } = world()
  const writer = new StunWriter().begin(Method.REFRESH, MessageClass.REQUEST, randomBytes(12))
  for (let i = 0; i < 9; i++) writer.bytes(0x8099, Buffer.alloc(256))
  const end = writer.end()
  const request = StunMessage.parse(Buffer.from(writer.buffer.subarray(writer.start, end)))!
  const client = clientAt('198.51.100.1', 1)
  const exchange = { method: Method.REFRESH, transactionId: request, client, user: null, fingerprint: false }
  expect(pending.park(request, exchange, 'account', () => LATE, 0)).toBeNull()
})

test('whose connection is closed gets no answer and keeps no place', () => {
  const { pending, answers, replays, park } = world()
  const client = clientAt('198.51.100.1', 1, 7)
  const ids = [park(client), park(client), park(client, 'ticket')]
  pending.leave(client)
  expect(pending.get(ids[2]!)?.isClientGone).toBe(true)
  pending.answer(ids[0]!, {})
  pending.replay(ids[1]!, 0)
  pending.sweep(PATIENCE_MS)
  expect(answers).toEqual([])
  expect(replays).toEqual([])
  expect([pending.count('account'), pending.count('ticket')]).toEqual([0, 0])
})

const steps = fc.array(
  fc.record({
    what: fc.constantFrom('park', 'answer', 'replay', 'drop', 'leave', 'sweep'),
    awaits: fc.constantFrom<Awaited>('relay', 'account', 'ticket'),
    who: fc.integer({ min: 1, max: 4 }),
    later: fc.integer({ min: 0, max: 6000 }),
  }),
  { maxLength: 80 },
)

propertyTest.prop([steps])('each request that waits leaves once, and nothing is kept of it', (words) => {
  const { pending, answers, replays, park } = world()
  let now = 0
  const ids: number[] = []
  const parked = new Set<number>()
  for (const { what, awaits, who, later } of words) {
    now += later
    const client = clientAt('198.51.100.1', who, who)
    const id = ids[who % Math.max(1, ids.length)] ?? 0
    if (what === 'park') {
      const made = park(client, awaits, now)
      if (made !== null) ids.push(made)
      if (made !== null) parked.add(made)
    } else if (what === 'leave') pending.leave(client)
    else if (what === 'sweep') pending.sweep(now)
    else if (what === 'answer') pending.answer(id, {})
    else if (what === 'drop') pending.drop(id)
    else pending.replay(id, now)
    const waiting = [...parked].filter((each) => pending.get(each) !== null).length
    expect(pending.count('relay') + pending.count('account') + pending.count('ticket')).toBe(waiting)
  }
  pending.sweep(now + PATIENCE_MS)
  expect(pending.count('relay') + pending.count('account') + pending.count('ticket')).toBe(0)
  const ended = [...answers.map(({ exchange }) => exchange.transactionId.toString('hex')), ...replays]
  expect(new Set(ended).size).toBe(ended.length)
})
