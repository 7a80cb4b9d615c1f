import { fc, test } from '@fast-check/vitest'
import { expect } from 'vitest'
import { BYE, isBye } from '../../src/rooms/bye.ts'
import type { Outcomes, RoomCommand } from '../../src/rooms/command.ts'
import type { Conditions } from '../../src/rooms/conditions.ts'
import { type AmountLimits, SourceShares } from '../../src/rooms/source-shares.ts'
import type { Client, RoomState } from '../../src/rooms/state.ts'
import { dueAt } from '../../src/rooms/state.ts'
import { type Stepped, step } from '../../src/rooms/step.ts'
import { waitingIn } from '../../src/rooms/waiting.ts'

const sources = ['192.0.2.1', '198.51.100.2', '2001:db8::/64']
const client = fc.constantFrom('a', 'b', 'c', 'd', 'LOOPBACK_CLIENT_ID', 'loopback_client_id')
const from = fc.constantFrom(...sources)
const secret = fc.constantFrom('', 'known', 'another')
/** What is said is told apart by a number and its sender, which are put before it. */
const text = fc.constantFrom('offer', 'an answer that is a little longer', BYE)
const socket = fc.integer({ min: 1, max: 12 }).map(String)
const command = fc.oneof(
  fc.record({ verb: fc.constant('join' as const), client, from, loopback: fc.boolean(), secret }),
  fc.record({ verb: fc.constantFrom('message' as const, 'send' as const), client, text }),
  fc.record({ verb: fc.constant('post' as const), client, from, text }),
  fc.record({
    verb: fc.constant('register' as const),
    client,
    from,
    claim: fc.option(fc.record({ secret, inCall: fc.boolean() })),
    socket,
    over: fc.oneof(fc.constant(''), socket),
  }),
  fc.record({ verb: fc.constant('closed' as const), client, socket, goingAway: fc.boolean() }),
  fc.record({ verb: fc.constant('undelivered' as const), client, socket, from, text }),
  fc.record({ verb: fc.constantFrom('leave' as const, 'remove' as const), client }),
  fc.constant({ verb: 'sweep' as const }),
  fc.record({ verb: fc.constant('close' as const), reason: fc.constant('spam') }),
)
const limit = fc.constantFrom(0, 600, 1500)
const circumstances = fc.record({
  capacity: fc.constantFrom(0, 1, 2, 2, 3),
  graceSeconds: fc.constantFrom(0, 10),
  registerTimeoutSeconds: fc.constantFrom(0, 10),
  expirationSeconds: fc.constantFrom(0, 60),
  maxMessages: fc.constantFrom(0, 3),
  maxBytes: fc.constantFrom(0, 50),
  waitingBytes: fc.record({ total: limit, perSource: limit }),
  forwards: fc.boolean(),
  restoresUntil: fc.constantFrom(null, 30_000),
})
const history = fc.array(fc.record({ command, seconds: fc.constantFrom(0, 0, 0, 1, 9, 10, 40) }), { maxLength: 40 })

/** A room that is kept as text, as on another machine: each step begins with what was written down. */
class WrittenRoom {
  text = 'null'
  readonly memory: SourceShares
  readonly #conditions: Omit<Conditions, 'now' | 'waiting'>

  constructor(waitingBytes: AmountLimits, conditions: Omit<Conditions, 'now' | 'waiting'>) {
    this.memory = new SourceShares(waitingBytes)
    this.#conditions = conditions
  }

  get state(): RoomState | null {
    return JSON.parse(this.text) as RoomState | null
  }

  step<C extends RoomCommand>(command: C, now: number): Stepped<C['verb']> {
    const conditions = { ...this.#conditions, now, waiting: this.memory.amountsOf(sources) }
    const before = frozen(this.state)
    const stepped = step(before, frozen(command), frozen(conditions))
    // What comes of it is plain, and the same from copies of everything.
    expect(copy(stepped)).toEqual(stepped)
    expect(step(this.state, copy(command), copy(conditions))).toEqual(stepped)
    if (stepped.room !== before) expect(stepped.room).not.toEqual(before)
    for (const [source, amount] of stepped.memoryTaken) this.memory.give(source, -amount)
    this.text = JSON.stringify(stepped.room)
    return stepped
  }
}

test.prop([circumstances, history], { numRuns: 3000 })(
  'whatever happens to a room it is plain JSON, changes nothing it is given, and keeps its limits and every text in order, once',
  ({ waitingBytes, forwards, restoresUntil, ...rules }, events) => {
    const room = new WrittenRoom(waitingBytes, { rules, mayOpen: true, forwards, restoresUntil })
    /** The number of the last text that each client heard of each other, by socket or in its join answer. */
    const heard = new Map<string, number>()
    let now = 0
    let said = 0
    for (const { command, seconds } of events) {
      now += seconds * 1000
      const numbered =
        'text' in command && !isBye(command.text)
          ? { ...command, text: `${++said} ${command.client} ${command.text}` }
          : command
      const before = room.state
      const { room: after, outcome, effects } = room.step(numbered as RoomCommand, now)
      const clients = after?.clients ?? []

      expect(new Set(clients.map(({ id }) => id)).size).toBe(clients.length)
      for (const standing of ['member', 'guest'])
        if (rules.capacity > 0)
          expect(placesOf(clients, standing)).toBeLessThanOrEqual(
            // A loopback client comes with its pseudo client, even into a room for one.
            clients.some(({ loopback }) => loopback) ? Math.max(2, rules.capacity) : rules.capacity,
          )
      if (placesOf(clients, 'member') > 0) expect(placesOf(clients, 'guest')).toBe(0)
      for (const { socket, inbox, standing, outbox } of clients) {
        if (socket === 'open') expect(inbox).toEqual([])
        if (standing === 'left') expect([inbox, outbox]).toEqual([[], []])
      }
      const waiting = waitingIn(clients)
      if (rules.maxMessages > 0) expect(waiting.messages).toBeLessThanOrEqual(rules.maxMessages)
      if (rules.maxBytes > 0) expect(waiting.bytes).toBeLessThanOrEqual(rules.maxBytes)
      expect(room.memory.taken).toBe(waiting.bytes + 256 * waiting.messages)
      if (waitingBytes.total > 0) expect(room.memory.taken).toBeLessThanOrEqual(waitingBytes.total)

      const told = effects.flatMap((effect) => (effect.effect === 'deliver' && !isBye(effect.text) ? [effect] : []))
      const handed = [
        ...told.map(({ client, text }) => ({ client, text })),
        ...joinMessages(outcome, numbered as RoomCommand),
      ]
      if (numbered.verb !== 'undelivered')
        for (const { client, text } of handed) {
          const [number, sender] = text.split(' ')
          expect(Number(number)).toBeGreaterThan(heard.get(`${sender} ${client}`) ?? 0)
          heard.set(`${sender} ${client}`, Number(number))
        }
      // Nobody went away, nor was replaced as the pseudo client of a loopback room is: what waited still waits or has been handed over, and nothing else has come of it.
      const isQuiet = (before?.clients ?? []).every(
        ({ id, standing }) =>
          clients.some((client) => client.id === id && client.standing === standing) &&
          !(
            numbered.verb === 'join' &&
            outcomeOf(outcome) === 'SUCCESS' &&
            (numbered.client === id || numbered.loopback)
          ),
      )
      if (isQuiet && !('text' in numbered))
        expect([...handed.map(({ text }) => text), ...textsIn(clients)].sort()).toEqual(textsIn(before?.clients).sort())
      if (isQuiet && 'text' in numbered && (outcome === null || outcome === 'SUCCESS') && !isBye(numbered.text)) {
        const kept = [...handed.map(({ text }) => text), ...textsIn(clients)].filter((text) => text !== numbered.text)
        expect(kept.sort()).toEqual(textsIn(before?.clients).sort())
      }
      if (after !== null) {
        const due = dueAt(after, rules)
        if (due === null || due > now) expect(room.step({ verb: 'sweep' }, now).room).toEqual(after)
      }
    }
    room.step({ verb: 'close', reason: '' }, now)
    expect([room.text, room.memory.taken]).toEqual(['null', 0])
  },
)

function placesOf(clients: readonly Client[], standing: string): number {
  return clients.filter((client) => client.standing === standing).length
}

/** But for byes, which come and go by rules of their own. */
function textsIn(clients: readonly Client[] = []): string[] {
  const texts = clients.flatMap(({ inbox, outbox }) => [...inbox, ...outbox].map(({ text }) => text))
  return texts.filter((text) => !isBye(text))
}

function joinMessages(outcome: Outcomes[keyof Outcomes], command: RoomCommand): { client: string; text: string }[] {
  if (command.verb !== 'join') return []
  const { messages = [] } = outcome as { messages?: readonly string[] }
  return messages.filter((text) => !isBye(text)).map((text) => ({ client: command.client, text }))
}

function outcomeOf(outcome: Outcomes[keyof Outcomes]): string {
  return typeof outcome === 'object' && outcome !== null && 'result' in outcome ? outcome.result : ''
}

function copy<T>(value: T): T {
  return JSON.parse(JSON.stringify(value)) as T
}

function frozen<T>(value: T): T {
  if (typeof value === 'object' && value !== null) {
    for (const inner of Object.values(value)) frozen(inner)
    Object.freeze(value)
  }
  return value
}
