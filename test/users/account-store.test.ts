import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import type { Log } from '../../src/log.ts'
import type { StoreAnswer } from '../../src/turn/auth/account-cache.ts'
import type { AccountDatabase, RealmRows } from '../../src/users/account-database.ts'
import { AccountStore } from '../../src/users/account-store.ts'

const REALM = 'example.org'
const NOTHING: RealmRows = { secrets: [], options: {}, allowedPeers: [], deniedPeers: [] }
const KEY = '7da2270ccfa49786e0115366d3a3d14d'

beforeEach(() => {
  vi.useFakeTimers()
})
afterEach(() => {
  vi.useRealTimers()
})

/** A database that does as it is told; what databases really do is in databases.test.ts. */
class ToldDatabase implements AccountDatabase {
  mood: 'answers' | 'fails' | 'hangs' = 'answers'
  rows = NOTHING
  readonly keys = new Map<string, string>()
  readonly asked: string[] = []

  key(name: string): Promise<string | null> {
    this.asked.push(name)
    return this.#say(this.keys.get(name) ?? null)
  }

  settings(): Promise<RealmRows> {
    return this.#say(this.rows)
  }

  oauthKey(): Promise<null> {
    return this.#say(null)
  }

  async close(): Promise<void> {}

  async #say<Value>(value: Value): Promise<Value> {
    if (this.mood === 'fails') throw new Error('connection refused')
    if (this.mood === 'hangs') await new Promise(() => {})
    return value
  }
}

async function setUp(mood: ToldDatabase['mood'] = 'answers') {
  const database = new ToldDatabase()
  database.mood = mood
  const lines: string[] = []
  const note = (_: unknown, message: string) => lines.push(message)
  const log = { info: note, warn: note } as unknown as Log
  const changes: unknown[] = []
  const store = new AccountStore({
    database,
    services: [],
    realm: REALM,
    log,
    clock: () => Date.now(),
    changed: () => changes.push(store.settings),
  })
  const started = store.start()
  await vi.advanceTimersByTimeAsync(mood === 'hangs' ? 3000 : 0)
  await started
  const find = (name: string) => new Promise<StoreAnswer>((resolve) => store.find({ name, realm: REALM }, resolve))
  return { database, store, lines, changes, find }
}

test('an account is what the database says', async () => {
  const { database, find } = await setUp()
  database.keys.set('gorst', KEY)
  const answers = Promise.all([find('gorst'), find('nobody')])
  await vi.advanceTimersByTimeAsync(0)
  expect(await answers).toEqual([{ name: 'gorst', md5Keys: [Buffer.from(KEY, 'hex')] }, null])
})

test('STUN-AUTH-05 a name is looked for as it was sent and as turnadmin has prepared it', async () => {
  const { database, find } = await setUp()
  database.keys.set('josé', KEY)
  const answer = find('jose\u0301')
  await vi.advanceTimersByTimeAsync(0)
  expect(await answer).toMatchObject({ name: 'josé' })
  expect(database.asked).toEqual(['jose\u0301', 'josé'])
})

test('who asks for the same name meanwhile shares the answer', async () => {
  const { database, find } = await setUp()
  const answers = [find('gorst'), find('gorst'), find('gorst')]
  await vi.advanceTimersByTimeAsync(0)
  expect(await Promise.all(answers)).toEqual([null, null, null])
  expect(database.asked).toEqual(['gorst'])
})

test('SEC-57 a database that hangs is waited for three seconds, then everybody is told at once, until it answers again', async () => {
  const { database, store, find, lines } = await setUp()
  await vi.advanceTimersByTimeAsync(1000)
  database.mood = 'hangs'
  const answer = find('gorst')
  await vi.advanceTimersByTimeAsync(3000)
  expect(await answer).toBe('unavailable')
  // The settings, which it was asked for then, make sure.
  await vi.advanceTimersByTimeAsync(3000)
  expect(store.isUp).toBe(false)
  const asked = database.asked.length
  const others = find('other')
  await vi.advanceTimersByTimeAsync(0)
  expect(await others).toBe('unavailable')
  expect(database.asked.length).toBe(asked)
  database.mood = 'answers'
  await vi.advanceTimersByTimeAsync(7000)
  expect(store.isUp).toBe(true)
  expect(lines).toEqual(['the account database does not answer', 'the account database answers again'])
})

test('SEC-57 a database that is down at the start stops nothing, and is tried ever more rarely', async () => {
  const { database, store, changes } = await setUp('fails')
  expect([store.isUp, store.settings]).toEqual([false, null])
  const before = store.counters.failures
  await vi.advanceTimersByTimeAsync(60_000)
  const tries = store.counters.failures - before
  expect(tries).toBeGreaterThan(10)
  expect(tries).toBeLessThan(25)
  database.mood = 'answers'
  await vi.advanceTimersByTimeAsync(4000)
  expect(store.isUp).toBe(true)
  expect(changes).toHaveLength(1)
})

test('SEC-57 a name that the database chokes on shuts out nobody else', async () => {
  const { database, store, find } = await setUp()
  database.keys.set('gorst', KEY)
  const own = database.key.bind(database)
  database.key = (name) => (name === 'odd' ? Promise.reject(new Error('illegal mix of collations')) : own(name))
  const odd = find('odd')
  await vi.advanceTimersByTimeAsync(0)
  expect(await odd).toBe('unavailable')
  expect(store.isUp).toBe(true)
  const gorst = find('gorst')
  await vi.advanceTimersByTimeAsync(0)
  expect(await gorst).not.toBe('unavailable')
})

test('SEC-57 garbage is dropped and counted: keys, secrets, numbers and ranges', async () => {
  const { database, store, find } = await setUp()
  database.keys.set('short', 'abcd')
  database.keys.set('long', KEY + KEY)
  database.keys.set('password', 'open sesame')
  const answers = Promise.all(['short', 'long', 'password'].map(find))
  await vi.advanceTimersByTimeAsync(0)
  expect(await answers).toEqual([null, null, null])
  database.rows = {
    secrets: ['', 'good', 'x'.repeat(5000)],
    options: { 'max-bps': '-1', 'user-quota': '1e9', 'total-quota': '7', __proto__: '3' },
    allowedPeers: ['10.0.0.1', 'nonsense'],
    deniedPeers: ['10.0.0.0/33', '10.1.0.0/16'],
  }
  await vi.advanceTimersByTimeAsync(5000)
  expect(store.settings).toEqual({
    secrets: ['good'],
    userQuota: null,
    totalQuota: 7,
    maxBytesPerSecond: null,
    allowedPeers: ['10.0.0.1'],
    deniedPeers: ['10.1.0.0/16'],
  })
  expect(store.counters.unusable).toBe(9)
})

test('settings are told when they change, and only then', async () => {
  const { database, changes } = await setUp()
  expect(changes).toHaveLength(1)
  database.rows = { ...NOTHING, secrets: ['b', 'a'] }
  await vi.advanceTimersByTimeAsync(5000)
  database.rows = { ...NOTHING, secrets: ['a', 'b'] }
  await vi.advanceTimersByTimeAsync(5000)
  expect(changes).toHaveLength(2)
})

test('a secret that has just been written is there before its first temporary name is refused', async () => {
  const { database, store, find } = await setUp()
  await vi.advanceTimersByTimeAsync(1000)
  database.rows = { ...NOTHING, secrets: ['fresh'] }
  const known = find('1700000000:alice').then(() => store.settings?.secrets)
  await vi.advanceTimersByTimeAsync(0)
  expect(await known).toEqual(['fresh'])
})

test('what was read last stays in force while the database is away', async () => {
  const { database, store, changes } = await setUp()
  database.rows = { ...NOTHING, secrets: ['a'] }
  await vi.advanceTimersByTimeAsync(5000)
  database.mood = 'fails'
  await vi.advanceTimersByTimeAsync(60_000)
  expect(store.settings?.secrets).toEqual(['a'])
  expect(changes).toHaveLength(2)
})

test('another realm has settings of its own', async () => {
  const { database, store } = await setUp()
  database.rows = { ...NOTHING, secrets: ['of the other'] }
  store.serve('elsewhere')
  expect(store.settings).toBeNull()
  await vi.advanceTimersByTimeAsync(0)
  expect(store.settings?.secrets).toEqual(['of the other'])
})

test('nothing goes on after the end', async () => {
  const { database, store, find } = await setUp()
  database.mood = 'hangs'
  const answer = find('gorst')
  await store.close()
  await vi.advanceTimersByTimeAsync(3000)
  expect(await answer).toBe('unavailable')
  expect(vi.getTimerCount()).toBe(0)
})
