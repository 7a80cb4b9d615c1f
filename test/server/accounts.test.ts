import { afterAll, beforeAll, expect, test } from 'vitest'
import { redis, type TestDatabase } from '../support/databases.ts'
import { NetworkClient } from '../support/network-client.ts'
import { describeWith } from '../support/peers.ts'
import { startForTest, type TestOptions, type TestServer, testUser } from '../support/server.ts'
import type { Login } from '../support/turn-client.ts'
import { startEchoPeer, uclient } from '../support/turnutils.ts'

const REALM = 'north.gov'
const GORST: Login = { username: 'gorst', password: 'hero' }
const STATIC: Login = { username: testUser.name, password: testUser.password }

describeWith(redis.needs, 'accounts of a database that coturn fills', () => {
  let database: TestDatabase

  beforeAll(async () => {
    database = await redis.open()
    database.turnadmin('-a', '-u', GORST.username, '-r', REALM, '-p', GORST.password)
  })
  afterAll(() => database?.close())

  const start = (options: TestOptions = {}) =>
    // Two seconds instead of a minute, because tests wait for what is forgotten.
    startForTest({ realm: REALM, 'redis-userdb': database.connection, 'account-cache-seconds': '2', ...options })
  const client = (server: TestServer, login: Login) => NetworkClient.udp({ port: server.ports.udp, login })
  const allocate = async (server: TestServer, login = GORST) => (await (await client(server, login)).allocate()).code
  const readyz = async (server: TestServer) => (await fetch(`${server.url}/readyz`)).status

  test.each(['udp', 'tcp', 'tls'] as const)(
    'log in over %s; others, and other passwords, do not',
    async (transport) => {
      const server = await start()
      const login = (one: Login) => NetworkClient[transport]({ port: server.ports[transport], login: one })
      const gorst = await login(GORST)
      expect((await gorst.allocate()).code).toBe(200)
      expect((await gorst.refresh(600)).code).toBe(200)
      expect((await (await login({ ...GORST, password: 'villain' })).allocate()).code).toBe(401)
      expect((await (await login({ ...GORST, username: 'nobody' })).allocate()).code).toBe(401)
      expect((await (await login(STATIC)).allocate()).code).toBe(200)
      // Threads show what they have counted when they are asked.
      await server.readings()
      const text = await (await fetch(`${server.url}/metrics`)).text()
      expect(text).toMatch(/webrtc_stack_account_database_up 1/)
      expect(text).toMatch(/webrtc_stack_account_lookups_total\{answer="found"\} [1-9]/)
    },
  )

  test("coturn's own client relays with such an account", async () => {
    const server = await start()
    const peer = await startEchoPeer()
    try {
      const login = ['-u', GORST.username, '-w', GORST.password]
      const words = ['-y', '-c', '-m', '2', '-n', '10', '-e', '127.0.0.1', '-r', String(peer.port), ...login]
      const result = await uclient([...words, '-p', String(server.ports.udp), '127.0.0.1'])
      expect(result.text).not.toMatch(/error/i)
      expect([result.code, result.lost]).toEqual([0, 0])
      expect(result.received).toBeGreaterThan(0)
    } finally {
      await peer.close()
    }
  })

  test('a secret of the realm makes temporary names, and no longer when it is taken out', async () => {
    const secret = 'of-the-database-alone'
    const { mint } = await import('../../src/turn/auth/credentials.ts')
    const server = await start()
    const temporary = () => mint(secret, { userid: 'dave', lifetimeSeconds: 60, wallMs: Date.now() })
    expect(await allocate(server, temporary())).toBe(401)
    await new Promise((then) => setTimeout(then, 1000))
    database.turnadmin('-s', secret, '-r', REALM)
    // With its first name already: nobody has to wait until settings are read again.
    expect(await allocate(server, temporary())).toBe(200)
    database.turnadmin('-X', secret, '-r', REALM)
    await expect.poll(() => allocate(server, temporary()), { timeout: 10_000 }).toBe(401)
  })

  test('RES-03 options and peers of the realm hold from the next seconds on', async () => {
    const server = await start()
    const gorst = await client(server, GORST)
    expect((await gorst.allocate()).code).toBe(200)
    expect((await gorst.permit('127.0.0.1:9')).code).toBe(200)
    database.execute('SADD', `turn/realm/${REALM}/denied-peer-ip`, '127.0.0.0-127.255.255.255')
    database.turnadmin('-g', '-r', REALM, '--user-quota=1')
    await expect.poll(async () => (await gorst.permit('127.0.0.1:9')).code, { timeout: 10_000 }).toBe(403)
    expect(await allocate(server)).toBe(486)
    database.execute('DEL', `turn/realm/${REALM}/denied-peer-ip`, `turn/realm/${REALM}/user-quota`)
    await expect.poll(() => allocate(server), { timeout: 10_000 }).toBe(200)
  })

  test('STUN-AUTH-15 who is taken out of the database loses his allocation within seconds', async () => {
    const carol: Login = { username: 'carol', password: 'over-the-sea' }
    database.turnadmin('-a', '-u', carol.username, '-r', REALM, '-p', carol.password)
    const server = await start()
    expect(await allocate(server, carol)).toBe(200)
    expect((await server.holds()).allocations).toBe(1)
    database.turnadmin('-d', '-u', carol.username, '-r', REALM)
    await expect.poll(async () => (await server.holds()).allocations, { timeout: 10_000 }).toBe(0)
    expect((await server.counters()).endedBy['account-gone']).toBe(1)
    expect(await allocate(server, carol)).toBe(401)
  })

  test('a new password works at once, and a call under the old one goes on', async () => {
    const erin: Login = { username: 'erin', password: 'before' }
    database.turnadmin('-a', '-u', erin.username, '-r', REALM, '-p', erin.password)
    const server = await start({ 'account-cache-seconds': '600' })
    const call = await client(server, erin)
    expect((await call.allocate()).code).toBe(200)
    database.turnadmin('-a', '-u', erin.username, '-r', REALM, '-p', 'afterwards')
    await expect.poll(() => allocate(server, { ...erin, password: 'afterwards' }), { timeout: 10_000 }).toBe(200)
    expect((await call.refresh(600)).code).toBe(401)
    expect((await server.holds()).allocations).toBe(2)
    database.turnadmin('-d', '-u', erin.username, '-r', REALM)
  })

  test('SEC-57 STUN-ERR-08 a database that is down: 500 and not ready; users of the file and running calls notice nothing; all well when it is back', async () => {
    const server = await start()
    const gorst = await client(server, GORST)
    expect((await gorst.allocate()).code).toBe(200)
    expect(await readyz(server)).toBe(200)
    await database.stop()
    await expect.poll(() => readyz(server), { timeout: 10_000 }).toBe(503)
    // Whatever is remembered of it is too old by now.
    await new Promise((then) => setTimeout(then, 2500))
    expect(await allocate(server)).toBe(500)
    expect(await allocate(server, { username: 'nobody', password: 'x' })).toBe(500)
    expect(await allocate(server, STATIC)).toBe(200)
    expect((await gorst.refresh(600)).code).toBe(200)
    expect((await gorst.permit('127.0.0.1:9')).code).toBe(200)
    const text = await (await fetch(`${server.url}/metrics`)).text()
    expect(text).toMatch(/webrtc_stack_account_database_up 0/)
    await database.start()
    await expect.poll(() => allocate(server), { timeout: 10_000 }).toBe(200)
    expect(await readyz(server)).toBe(200)
    expect((await gorst.refresh(600)).code).toBe(200)
  })

  test('SEC-57 one that hangs costs its own logins seconds, and others nothing', async () => {
    const server = await start()
    const gorst = await client(server, GORST)
    expect((await gorst.allocate()).code).toBe(200)
    database.freeze()
    try {
      const waiting = allocate(server, { username: 'frank', password: 'x' })
      expect(await allocate(server, STATIC)).toBe(200)
      expect((await gorst.refresh(600)).code).toBe(200)
      expect(await waiting).toBe(500)
    } finally {
      database.thaw()
    }
    await expect.poll(() => allocate(server), { timeout: 15_000 }).toBe(200)
  })

  test('SEC-57 one that is down when the server starts stops nothing', async () => {
    await database.stop()
    const server = await start()
    try {
      expect(await allocate(server)).toBe(500)
      expect(await allocate(server, STATIC)).toBe(200)
    } finally {
      await database.start()
    }
    await expect.poll(() => allocate(server), { timeout: 15_000 }).toBe(200)
  })

  test('SEC-57 what stands in it and cannot be a key lets nobody in, and stops nobody', async () => {
    database.execute('SET', `turn/realm/${REALM}/user/garbage/key`, 'nonsense')
    database.execute('LPUSH', `turn/realm/${REALM}/user/wrong-kind/key`, 'x')
    const server = await start()
    expect(await allocate(server, { username: 'garbage', password: 'nonsense' })).toBe(401)
    expect(await allocate(server, { username: 'wrong-kind', password: 'x' })).toBe(500)
    expect(await allocate(server)).toBe(200)
    const text = await (await fetch(`${server.url}/metrics`)).text()
    expect(text).toMatch(/webrtc_stack_account_database_errors_total\{kind="unusable"\} [1-9]/)
  })

  test('TURN-PEER-05 SEC-05 the database is no peer, though its whole host may be one', async () => {
    const server = await start({ 'allowed-peer-ip': '127.0.0.1' })
    const gorst = await client(server, GORST)
    await gorst.allocate()
    const port = Number(/port=(\d+)/.exec(database.connection)![1])
    expect((await gorst.bind(0x4000, `127.0.0.1:${port}`)).code).toBe(403)
    expect((await gorst.bind(0x4000, `127.0.0.1:${port === 9 ? 10 : 9}`)).code).toBe(200)
  })
})
