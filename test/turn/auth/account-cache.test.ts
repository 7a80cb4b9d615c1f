import { fc, test as propertyTest } from '@fast-check/vitest'
import { expect, test } from 'vitest'
import { Address } from '../../../src/stun/address.ts'
import type { AccountName } from '../../../src/turn/auth/account.ts'
import { AccountCache, type StoreAnswer } from '../../../src/turn/auth/account-cache.ts'

const REALM = 'example.org'
const LIFETIME_MS = 60_000
const HOME = Address.parse('198.51.100.7')!
const KEY = Buffer.alloc(16, 7)

/** A cache whose questions are written down; the oldest is answered by `answer`. */
function setUp() {
  const asked: AccountName[] = []
  const store = { takesQuestions: true }
  const cache = new AccountCache({
    lifetimeMs: LIFETIME_MS,
    ask: (account) => {
      if (store.takesQuestions) asked.push(account)
      return store.takesQuestions
    },
  })
  let id = 0
  const ask = (name: string, source = HOME, now = 0) => {
    const isAsked = cache.ask({ name, realm: REALM }, ++id, source, now)
    return isAsked ? id : null
  }
  const answer = (reply: StoreAnswer, now = 0) => cache.answered(asked.shift()!, reply, now)
  const known = (name: string): StoreAnswer => ({ name, md5Keys: [KEY] })
  return { cache, asked, store, ask, answer, known, find: (name: string, now = 0) => cache.find(name, REALM, now) }
}

test('what nobody has asked for has to be asked', () => {
  const { ask, answer, known, find } = setUp()
  expect(find('alice')).toBe('asking')
  ask('alice')
  expect(find('alice')).toBe('asking')
  answer(known('alice'))
  expect(find('alice')).toEqual({ name: 'alice', realm: REALM, md5Keys: [KEY], sha256Keys: [] })
})

test('there is one question at a time for a name, and its answer is for all who wait', () => {
  const { asked, ask, answer, known } = setUp()
  const waiting = [ask('alice'), ask('alice'), ask('alice', Address.parse('203.0.113.9')!)]
  expect(asked).toHaveLength(1)
  expect(answer(known('alice')).waiting).toEqual(waiting)
})

test('the same name in another realm is somebody else', () => {
  const { cache, asked, ask, answer, known } = setUp()
  ask('alice')
  cache.ask({ name: 'alice', realm: 'elsewhere' }, 2, HOME, 0)
  expect(asked).toHaveLength(2)
  answer(known('alice'))
  expect(cache.find('alice', 'elsewhere', 0)).toBe('asking')
})

test('an answer is good for its lifetime; that there is nobody, for two seconds', () => {
  const { ask, answer, known, find } = setUp()
  ask('alice')
  ask('nobody')
  answer(known('alice'))
  answer(null)
  expect([find('alice', LIFETIME_MS - 1), find('alice', LIFETIME_MS)]).toEqual([expect.anything(), 'asking'])
  expect([find('nobody', 1999), find('nobody', 2000)]).toEqual([null, 'asking'])
})

test('a store that does not answer is left alone for a second', () => {
  const { ask, answer, find } = setUp()
  const id = ask('alice')
  expect(answer('unavailable')).toEqual({ waiting: [id], gone: [] })
  expect([find('alice', 999), find('alice', 1000)]).toEqual(['unavailable', 'asking'])
})

test('who cannot be asked for is not waited for', () => {
  const { store, ask, find } = setUp()
  store.takesQuestions = false
  expect(ask('alice')).toBeNull()
  expect(find('alice')).toBe('unavailable')
  store.takesQuestions = true
  expect(ask('alice', HOME, 1000)).not.toBeNull()
})

test('what comes too late, or twice, or unasked, changes nothing', () => {
  const { cache, asked, ask, answer, known, find } = setUp()
  ask('alice')
  const [question] = asked
  answer(known('alice'))
  expect(cache.answered(question!, null, 1)).toEqual({ waiting: [], gone: [] })
  expect(cache.answered({ name: 'mallory', realm: REALM }, known('mallory'), 1)).toEqual({ waiting: [], gone: [] })
  expect(find('alice', 1)).not.toBeNull()
  expect(find('mallory', 1)).toBe('asking')
})

test('a key that does not fit is worth another question after two seconds', () => {
  const { cache, ask, answer, known } = setUp()
  ask('alice')
  answer(known('alice'))
  expect([1999, 2000].map((now) => cache.isDoubtful('alice', REALM, now))).toEqual([false, true])
  expect(cache.isDoubtful('nobody', REALM, 2000)).toBe(false)
})

test('RES-04 SEC-23 a source that makes up names pushes out its own, and nobody who has logged in', () => {
  const { cache, ask, answer, known, find } = setUp()
  ask('alice')
  answer(known('alice'))
  cache.prove('alice', REALM)
  ask('bob', Address.parse('203.0.113.9')!)
  answer(known('bob'))
  for (let i = 0; i < 1000; i++) {
    ask(`guess ${i}`)
    answer(null)
  }
  expect(cache.size).toBe(66)
  expect([find('alice'), find('bob')]).toEqual([expect.anything(), expect.anything()])
})

test('RES-04 a source waits for 64 names at most, others for theirs', () => {
  const { ask } = setUp()
  const answers = Array.from({ length: 100 }, (_, i) => ask(`guess ${i}`))
  expect(answers.filter((id) => id !== null)).toHaveLength(64)
  expect(ask('bob', Address.parse('203.0.113.9')!)).not.toBeNull()
})

test('RES-04 names of many sources fill no more than there is room for', () => {
  const { cache, ask, answer } = setUp()
  for (let i = 0; i < 6000; i++) {
    ask(`guess ${i}`, Address.parse(`10.0.${i >> 8}.${i & 255}`)!)
    if (i % 2 === 0) answer(null)
  }
  expect(cache.size).toBeLessThanOrEqual(4096)
})

test('STUN-AUTH-15 an account with allocations is asked for again in half its lifetime, and loses them when it is gone', () => {
  const { cache, asked, ask, answer, known, find } = setUp()
  ask('alice')
  answer(known('alice'))
  const holder = { of: 'alice' }
  cache.hold({ name: 'alice', realm: REALM }, holder)
  cache.sweep(LIFETIME_MS / 2 - 1)
  expect(asked).toHaveLength(0)
  cache.sweep(LIFETIME_MS / 2)
  cache.sweep(LIFETIME_MS / 2 + 1000)
  expect(asked).toHaveLength(1)
  // It goes on while the store takes its time, and while it is away.
  expect(find('alice', LIFETIME_MS)).not.toBe('asking')
  expect(answer('unavailable', LIFETIME_MS).gone).toEqual([])
  expect(find('alice', LIFETIME_MS + 5000)).toBe('unavailable')
  cache.sweep(LIFETIME_MS + 5000)
  expect(answer(null, LIFETIME_MS + 5100).gone).toEqual([holder])
  cache.letGo({ name: 'alice', realm: REALM }, holder)
  cache.sweep(3 * LIFETIME_MS)
  expect(cache.size).toBe(0)
})

test('what has come from another thread is asked for, though nobody has logged in here', () => {
  const { cache, asked, answer, known } = setUp()
  const holder = {}
  cache.hold({ name: 'alice', realm: REALM }, holder)
  cache.sweep(0)
  expect(asked).toEqual([{ name: 'alice', realm: REALM }])
  expect(answer(known('alice')).gone).toEqual([])
})

test('STUN-S256-06 STUN-S256-07 a store has no keys for SHA-256, and nobody is found by a hash', () => {
  const { cache } = setUp()
  expect([cache.hasSha256Keys, cache.findByHash()]).toEqual([false, null])
})

const steps = fc.array(
  fc.record({
    what: fc.constantFrom(
      'ask',
      'found',
      'unknown',
      'unavailable',
      'prove',
      'hold',
      'let go',
      'sweep',
      'refuse',
      'take',
    ),
    name: fc.constantFrom('alice', 'bob', 'carol', 'dave'),
    source: fc.constantFrom('198.51.100.7', '203.0.113.9', '2001:db8::1'),
    later: fc.integer({ min: 0, max: 40_000 }),
  }),
  { maxLength: 100 },
)

propertyTest.prop([steps])('everybody who waits is told once, one question at a time, and nothing is left', (words) => {
  const { cache, asked, store, ask, known } = setUp()
  const waiting = new Set<number>()
  const holders = new Map<string, object>()
  let now = 0
  const answer = (reply: StoreAnswer) => {
    const account = asked.shift()
    if (account === undefined) return
    const told = cache.answered(account, reply, now)
    for (const id of told.waiting) expect(waiting.delete(id)).toBe(true)
    for (const holder of told.gone) expect(holders.get(account.name)).toBe(holder)
    expect(told.gone.length).toBe(reply === null && holders.has(account.name) ? 1 : 0)
  }
  for (const { what, name, source, later } of words) {
    now += later
    const account = { name, realm: REALM }
    if (what === 'ask') {
      const id = ask(name, Address.parse(source)!, now)
      if (id !== null) waiting.add(id)
    } else if (what === 'found') answer(known(name))
    else if (what === 'unknown') answer(null)
    else if (what === 'unavailable') answer('unavailable')
    else if (what === 'prove') cache.prove(name, REALM)
    else if (what === 'sweep') cache.sweep(now)
    else if (what === 'hold' && !holders.has(name)) {
      holders.set(name, { name })
      cache.hold(account, holders.get(name)!)
    } else if (what === 'let go' && holders.has(name)) {
      cache.letGo(account, holders.get(name)!)
      holders.delete(name)
    } else if (what === 'refuse') store.takesQuestions = false
    else if (what === 'take') store.takesQuestions = true
    expect(new Set(asked.map((one) => one.name)).size).toBe(asked.length)
    expect(cache.asking).toBe(asked.length)
  }
  while (asked.length > 0) answer('unavailable')
  expect(waiting.size).toBe(0)
  for (const [name, holder] of holders) cache.letGo({ name, realm: REALM }, holder)
  cache.sweep(now + 2 * LIFETIME_MS)
  expect([cache.size, cache.asking]).toEqual([0, 0])
})
