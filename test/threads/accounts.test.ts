import { describe, expect, test } from 'vitest'
import { linuxSupport } from '../../src/net/linux/system-calls.ts'
import { longTermKey } from '../../src/stun/integrity.ts'
import type { FindAccount } from '../../src/threads/accounts.ts'
import type { AccountName } from '../../src/turn/auth/account.ts'
import type { StoreAnswer } from '../../src/turn/auth/account-cache.ts'
import { REALM } from '../support/loopback-turn.ts'
import { startThreads } from '../support/relay-threads.ts'

const CAROL = { username: 'carol', password: 'over the sea' }
const KEYS: StoreAnswer = { name: 'carol', md5Keys: [longTermKey('carol', REALM, CAROL.password)] }

/** Threads that ask this test, whose answers wait in `asked`. */
async function start() {
  const asked: { readonly account: AccountName; readonly answer: (answer: StoreAnswer) => void }[] = []
  const findAccount: FindAccount = (account, answer) => asked.push({ account, answer })
  const started = await startThreads({ workers: { findAccount }, plan: { accountLifetimeSeconds: 60 } })
  const client = async () => {
    const one = await started.client()
    one.login = CAROL
    return one
  }
  const next = async () => {
    await expect.poll(() => asked.length).toBeGreaterThan(0)
    return asked.shift()!
  }
  return { ...started, client, next, asked }
}

describe.runIf(linuxSupport().available)('threads that ask the main thread for accounts', () => {
  test('a login waits for the answer, and the next one of this thread does not', async () => {
    const { client, next, asked } = await start()
    const carol = await client()
    const answer = carol.allocate()
    const question = await next()
    expect(question.account).toEqual({ name: 'carol', realm: REALM })
    question.answer(KEYS)
    expect((await answer).code).toBe(200)
    expect((await carol.allocate()).code).toBe(437)
    expect(asked).toEqual([])
  })

  test('STUN-ERR-08 a main thread that does not answer in five seconds leads to 500; what it says then is dropped', async () => {
    const { client, next, readings } = await start()
    const answer = (await client()).allocate()
    const question = await next()
    expect((await answer).code).toBe(500)
    question.answer(KEYS)
    const { turn } = await readings()
    expect([turn.allocationsCreated, turn.accounts.unavailable, turn.accounts.found]).toEqual([0, 1, 0])
  })

  test('a thread that dies while it waits is replaced, and the answer goes nowhere', async () => {
    const { client, next, spawned, readings } = await start()
    void (await client()).allocate()
    const question = await next()
    await Promise.all(spawned.slice(0, 2).map((worker) => worker.terminate()))
    question.answer(KEYS)
    await expect.poll(() => spawned.length, { timeout: 10_000 }).toBe(4)
    await expect.poll(async () => (await readings()).turn.allocationsCreated, { timeout: 10_000 }).toBe(0)
    const again = await client()
    const answer = again.allocate()
    ;(await next()).answer(KEYS)
    expect((await answer).code).toBe(200)
  })
})
