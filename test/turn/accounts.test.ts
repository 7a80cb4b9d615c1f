import { expect, test } from 'vitest'
import { Attribute, Method } from '../../src/stun/constants.ts'
import { longTermKey } from '../../src/stun/integrity.ts'
import type { StoreAnswer } from '../../src/turn/auth/account-cache.ts'
import { mint } from '../../src/turn/auth/credentials.ts'
import { StaticAccounts } from '../../src/turn/auth/static-accounts.ts'
import { Answer, type Login } from '../support/turn-client.ts'
import { ALICE, REALM, TurnWorld, udp, WorldClient, type WorldOptions } from '../support/turn-world.ts'

const CAROL: Login = { username: 'carol', password: 'over the sea' }
const LIFETIME_MS = 60_000

function stored(options: WorldOptions = {}): TurnWorld {
  return new TurnWorld({ storeLifetimeMs: LIFETIME_MS, ...options })
}

function keysOf({ username, password }: Login): StoreAnswer {
  return { name: username, md5Keys: [longTermKey(username, REALM, password)] }
}

/** Sends an Allocate with credentials, which is answered when the store has been. */
function ask(client: WorldClient, method: number = Method.ALLOCATE): Answer | null {
  if (client.nonce === null) client.learn(client.ask(Method.ALLOCATE, udp)!)
  return client.ask(method, method === Method.ALLOCATE ? udp : () => {})
}

/** What a client is sent while the store answers. */
function answered(world: TurnWorld, client: WorldClient, reply: StoreAnswer): Answer[] {
  const { toClient } = world.effects
  const before = toClient.length
  world.answer(reply)
  const ours = toClient.slice(before).filter((sent) => sent.client.client.equals(client.fiveTuple.client))
  return ours.map(({ bytes }) => new Answer(bytes))
}

function loggedIn(world: TurnWorld, login = CAROL): WorldClient {
  const client = world.client(login)
  ask(client)
  expect(answered(world, client, keysOf(login)).map(({ code }) => code)).toEqual([200])
  return client
}

test('an account of a store logs in when the store has been asked; repetitions meet silence meanwhile', () => {
  const world = stored()
  const carol = world.client(CAROL)
  carol.learn(carol.ask(Method.ALLOCATE, udp)!)
  const request = carol.request(Method.ALLOCATE, udp)
  expect(carol.send(request)).toEqual([])
  expect(carol.send(request)).toEqual([])
  expect(world.asked).toEqual([{ name: 'carol', realm: REALM }])
  const [answer] = answered(world, carol, keysOf(CAROL))
  expect(answer?.code).toBe(200)
  expect(carol.isSigned(answer!)).toBe(true)
  expect(world.dropped).toEqual({ opening: 1 })
  // From now on it is known.
  expect(carol.refresh().code).toBe(200)
  expect(carol.permit('203.0.113.5:4000').code).toBe(200)
  expect(world.asked).toEqual([])
})

test('accounts of the configuration and temporary names do not wait for the store', () => {
  const secret = 'a secret of sixteen'
  const world = stored({ auth: { secrets: [secret] } })
  expect(world.client(ALICE).allocate().code).toBe(200)
  const { username, password } = mint(secret, { userid: 'dave', lifetimeSeconds: 60, wallMs: world.clock.wall })
  const dave = world.client({ username, password })
  expect(dave.allocate().code).toBe(200)
  world.authenticate({ secrets: [] })
  expect(dave.refresh().code).toBe(200)
  expect(world.asked).toEqual([])
})

test.each([
  ['nobody', null],
  ['somebody with another key', keysOf({ ...CAROL, password: 'another' })],
] as const)('STUN-AUTH-06 a store that knows %s of that name leads to 401 with a challenge', (_name, reply) => {
  const world = stored()
  const carol = world.client(CAROL)
  ask(carol)
  const [answer] = answered(world, carol, reply)
  expect(answer?.code).toBe(401)
  expect(answer?.message.has(Attribute.NONCE)).toBe(true)
})

test('STUN-ERR-08 a store that cannot answer leads to 500, never 401, and is asked again soon', () => {
  const world = stored()
  const carol = world.client(CAROL)
  ask(carol)
  expect(answered(world, carol, 'unavailable').map(({ code }) => code)).toEqual([500])
  expect(ask(carol)?.code).toBe(500)
  expect(world.asked).toEqual([])
  world.pass(1)
  ask(carol)
  expect(answered(world, carol, keysOf(CAROL)).map(({ code }) => code)).toEqual([200])
  expect(world.server.counters.accounts).toEqual({ found: 1, unknown: 0, unavailable: 1 })
})

test('STUN-ERR-08 one that says nothing for ten seconds leads to 500, and what it says then to nothing', () => {
  const world = stored()
  const carol = world.client(CAROL)
  ask(carol)
  const before = world.effects.toClient.length
  world.pass(10)
  const [late] = world.effects.toClient.slice(before)
  expect(new Answer(late!.bytes).code).toBe(500)
  expect(answered(world, carol, keysOf(CAROL))).toEqual([])
  expect(world.server.allocations.size).toBe(0)
})

test('one that takes no question leads to 500 at once', () => {
  const world = stored()
  world.storeTakesQuestions = false
  expect(ask(world.client(CAROL))?.code).toBe(500)
})

test('SEC-23 whoever has spent his guesses does not reach the store, but for whom it has named already', () => {
  const world = stored({ guessesPerMinute: 5 })
  const carol = loggedIn(world)
  const guesser = world.client({ username: 'guess', password: 'x' })
  for (let i = 0; i < 5; i++) {
    guesser.login = { username: `guess ${i}`, password: 'x' }
    ask(guesser)
    world.answer(null)
  }
  guesser.login = { username: 'one more', password: 'x' }
  expect(ask(guesser)).toBeNull()
  expect(world.asked).toEqual([])
  expect(world.dropped).toEqual({ 'guess-limit': 1 })
  expect(carol.refresh().code).toBe(200)
})

test('RES-04 a source has 64 requests that wait; over UDP the next meets silence, on a connection 500', () => {
  const world = stored()
  const clients = Array.from({ length: 64 }, (_, i) => world.client({ username: `user ${i}`, password: 'x' }))
  for (const client of clients) expect(ask(client)).toBeNull()
  expect(ask(world.client(CAROL))).toBeNull()
  expect(ask(world.client(CAROL, 'tcp'))?.code).toBe(500)
  expect(world.dropped).toEqual({ 'waiting-limit': 1 })
  expect(ask(world.client(CAROL, 'udp', '203.0.113.9'))).toBeNull()
  expect(world.asked).toHaveLength(65)
})

test('TURN-ALLOC-23 Allocates of one 5-tuple that wait together make one allocation', () => {
  const world = stored()
  const carol = world.client(CAROL)
  ask(carol)
  ask(carol)
  expect(world.asked).toHaveLength(1)
  const codes = answered(world, carol, keysOf(CAROL)).map(({ code }) => code)
  expect(codes.toSorted()).toEqual([200, 437])
  expect(world.server.allocations.size).toBe(1)
})

test('requests of a connection that wait are done in their order, and one that closes is answered to nobody', () => {
  const world = stored()
  const carol = world.client(CAROL, 'tcp')
  ask(carol)
  ask(carol, Method.REFRESH)
  expect(answered(world, carol, keysOf(CAROL)).map(({ code }) => code)).toEqual([437, 200])
  const dave = world.client({ ...CAROL, username: 'dave' }, 'tcp')
  ask(dave)
  world.server.clientClosed(dave.fiveTuple, world.now)
  expect(answered(world, dave, keysOf({ ...CAROL, username: 'dave' }))).toEqual([])
  expect(world.server.allocations.size).toBe(1)
})

test('STUN-AUTH-15 who is taken out of the store loses his allocation within its lifetime, without having asked for anything', () => {
  const ends: string[] = []
  const noted = { allocationEnded: (_: unknown, reason: string) => ends.push(reason) }
  const nothing = () => {}
  const events = {
    allocationOpened: nothing,
    allocationMoved: nothing,
    channelOpened: nothing,
    channelRenewed: nothing,
    channelClosed: nothing,
    ...noted,
  }
  const world = stored({ events })
  loggedIn(world)
  world.client(ALICE).allocate()
  world.pass(30)
  expect(world.asked).toEqual([{ name: 'carol', realm: REALM }])
  world.answer(null)
  expect(ends).toEqual(['account-gone'])
  expect(world.server.allocations.size).toBe(1)
})

test('STUN-ERR-08 a store that is away leaves running calls alone, and lets nobody new in', () => {
  const world = stored()
  const carol = loggedIn(world)
  for (let i = 0; i < 300; i++) {
    world.pass(1)
    while (world.asked.length > 0) world.answer('unavailable')
  }
  expect(carol.refresh().code).toBe(200)
  expect(carol.bind(0x4000, '203.0.113.5:4000').code).toBe(200)
  expect(carol.ask(Method.REFRESH, () => {}, { login: { ...CAROL, password: 'guess' } })?.code).toBe(500)
  const other = world.client(CAROL)
  other.learn(other.ask(Method.ALLOCATE, udp)!)
  expect(other.ask(Method.ALLOCATE, udp)?.code).toBe(500)
})

test('a changed password does not cut a call; its next requests need the new one', () => {
  const world = stored()
  const carol = loggedIn(world)
  const now = { ...CAROL, password: 'under the sea' }
  world.pass(30)
  world.answer(keysOf(now))
  expect(world.server.allocations.size).toBe(1)
  expect(carol.refresh().code).toBe(401)
  expect(world.server.allocations.size).toBe(1)
  carol.login = now
  expect(carol.refresh().code).toBe(200)
})

test('a new password works at once, though the old one is still remembered', () => {
  const world = stored()
  loggedIn(world)
  world.pass(2)
  const now = { ...CAROL, password: 'under the sea' }
  const carol = world.client(now)
  expect(ask(carol)).toBeNull()
  expect(answered(world, carol, keysOf(now)).map(({ code }) => code)).toEqual([200])
})

test('STUN-AUTH-09 the same name in another realm is another account, which does not own what this one has', () => {
  const world = new TurnWorld()
  const alice = world.client(ALICE)
  alice.allocate()
  const users = new StaticAccounts([{ name: ALICE.username, password: ALICE.password }], 'elsewhere')
  world.authenticate({ realm: 'elsewhere', users })
  const [allocation] = [...world.server.allocations]
  expect(allocation!.user.account).toMatchObject({ name: 'alice', realm: REALM })
  const stranger = new WorldClient(world, ALICE, alice.fiveTuple)
  stranger.learn(stranger.ask(Method.REFRESH, () => {}, { login: null })!)
  expect(stranger.realm).toBe('elsewhere')
  expect(stranger.ask(Method.REFRESH)?.code).toBe(441)
  expect(world.options.quota.of(`account alice\n${REALM}`)).toBe(1)
})

test('RES-03 the limits of a realm are those of its accounts: allocations, and bytes a second', () => {
  const limits = { userQuota: 1, maxBytesPerSecond: 5000 }
  const world = stored({ auth: { limits } })
  loggedIn(world)
  const again = world.client(CAROL)
  expect(ask(again)?.code).toBe(486)
  const [allocation] = [...world.server.allocations]
  expect(allocation!.toPeerLimit.bytesPerSecond).toBe(5000)
})
