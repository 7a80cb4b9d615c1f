import { beforeAll, describe, expect, test } from 'vitest'
import { readFlags } from '../../src/config/flags.ts'
import { loadConfig } from '../../src/config/load.ts'
import { Attribute, Method } from '../../src/stun/constants.ts'
import { longTermKey } from '../../src/stun/integrity.ts'
import { restPassword } from '../../src/turn/auth/credentials.ts'
import { NetworkClient } from '../support/network-client.ts'
import { type RawAttribute, rawMessage, TRANSACTION_ID } from '../support/raw-message.ts'
import {
  commandLine,
  startForTest,
  startTestServer,
  type TestOptions,
  type TestServer,
  testSecret,
  testUser,
} from '../support/server.ts'
import { UdpClient } from '../support/sockets.ts'
import type { Answer, Login, Write } from '../support/turn-client.ts'
import { addressOf, udp } from '../support/turn-world.ts'

const ALICE: Login = { username: testUser.name, password: testUser.password }
const BOB: Login = { username: 'bob', password: 'over-the-hills' }
const WRONG: Login = { username: testUser.name, password: 'wrong' }

/** A user name that holds the time `seconds` from now. */
function timed(seconds: number, userid = 'carol'): string {
  return `${Math.floor(Date.now() / 1000) + seconds}:${userid}`
}

function temporary(seconds: number, secret = testSecret): Login {
  const username = timed(seconds)
  return { username, password: restPassword(secret, username) }
}

describe('failed logins', () => {
  test('SEC-17 all get one and the same 401, and the log alone says why', async () => {
    const server = await startForTest()
    const failures: readonly (readonly [Login, reason: string | RegExp])[] = [
      [WRONG, 'wrong key'],
      [{ username: 'nobody', password: 'x' }, 'no such user, and no timestamp in user name'],
      [temporary(-100), /^expired 10\d s ago$/],
      [temporary(1000, 'another secret of ours'), 'no secret matched'],
      [
        { username: 'eve:x', password: restPassword(testSecret, 'eve:x') },
        'no such user, and no timestamp in user name',
      ],
    ]
    const seen = new Set<string>()
    for (const [at, [login]] of failures.entries()) {
      const client = await NetworkClient.udp({ port: server.ports.udp, login, from: `127.0.5.${at + 1}` })
      const answer = await client.allocate(() => {}, { transactionId: TRANSACTION_ID })
      const challenge = await client.ask(Method.ALLOCATE, udp, { login: null, transactionId: TRANSACTION_ID })
      for (const { bytes, message } of [answer, challenge]) {
        const nonce = message.find(Attribute.NONCE)
        bytes.fill(0, nonce, nonce + message.lengthAt(nonce))
        seen.add(bytes.toString('hex'))
      }
      expect(answer.code).toBe(401)
      expect(answer.attributes).toEqual([Attribute.ERROR_CODE, Attribute.REALM, Attribute.NONCE])
    }
    expect(seen.size).toBe(1)
    const refusals = (await server.log()).filter(
      ({ msg, username }) => msg === 'request refused' && username !== undefined,
    )
    expect(refusals.map(({ username }) => username)).toEqual(failures.map(([{ username }]) => username))
    for (const [at, [, reason]] of failures.entries()) {
      if (typeof reason === 'string') expect(refusals[at]!['reason']).toBe(reason)
      else expect(refusals[at]!['reason']).toMatch(reason)
    }
    expect((await allocatedBy(server, temporary(1000))).code).toBe(200)
  })

  test('SEC-23 ten wrong passwords lock nobody out, neither there nor elsewhere', async () => {
    const server = await startForTest()
    const client = await NetworkClient.udp({ port: server.ports.udp, login: ALICE, from: '127.0.6.1' })
    await client.greet()
    for (let i = 0; i < 10; i++) {
      expect((await client.ask(Method.ALLOCATE, udp, { login: WRONG })).code).toBe(401)
    }
    expect((await client.allocate()).code).toBe(200)
    const elsewhere = await NetworkClient.udp({ port: server.ports.udp, login: ALICE, from: '127.0.6.2' })
    expect((await elsewhere.allocate()).code).toBe(200)
  })

  test('SEC-23 after 300 wrong guesses in a minute there is silence and closed connections, but not for the right one', async () => {
    const server = await startForTest()
    const from = '127.0.6.3'
    const guesser = await (await NetworkClient.tcp({ port: server.ports.tcp, login: WRONG, from })).greet()
    for (let i = 0; i < 300; i++) expect((await guesser.allocate()).code).toBe(401)
    guesser.send(guesser.request(Method.ALLOCATE, udp))
    await guesser.closed
    expect(guesser.answers.length).toBe(0)

    const overUdp = await (await NetworkClient.udp({ port: server.ports.udp, login: ALICE, from })).greet()
    expect(await overUdp.answersTo(overUdp.request(Method.ALLOCATE, udp, { login: WRONG }))).toEqual([])
    expect((await overUdp.allocate()).code).toBe(200)
    const overTcp = await NetworkClient.tcp({ port: server.ports.tcp, login: ALICE, from })
    expect((await overTcp.allocate()).code).toBe(200)
    expect((await server.counters()).dropped['guess-limit']).toBe(2)
    const another = await (await NetworkClient.udp({ port: server.ports.udp, login: WRONG, from: '127.0.6.4' })).greet()
    expect((await another.allocate()).code).toBe(401)
  })

  async function allocatedBy(server: TestServer, login: Login): Promise<Answer> {
    return (await NetworkClient.udp({ port: server.ports.udp, login, from: '127.0.5.100' })).allocate()
  }
})

describe('what is signed', () => {
  let server: TestServer
  beforeAll(async () => {
    server = await startTestServer({
      'relay-threads': '1',
      user: [ALICE, BOB].map(({ username, password }) => `${username}:${password}`),
    })
    return () => server.close()
  })
  const login = (who: Login) => NetworkClient.udp({ port: server.ports.udp, login: who })

  test('SEC-20 what follows MESSAGE-INTEGRITY changes nothing: LIFETIME, EVEN-PORT, REQUESTED-TRANSPORT, USERNAME', async () => {
    const client = await login(ALICE)
    const behind: Write = (writer) =>
      writer
        .uint32(Attribute.LIFETIME, 3600)
        .uint8(Attribute.EVEN_PORT, 0x80)
        .uint32(Attribute.REQUESTED_TRANSPORT, 6 * 0x1000000)
        .uint32(Attribute.REQUESTED_ADDRESS_FAMILY, 0x07000000)
        .text(Attribute.USERNAME, BOB.username)
        .text(Attribute.NONCE, 'x')
        .text(Attribute.REALM, 'x')
        .bytes(0x0030, Buffer.alloc(4))
    const answer = await client.allocate(() => {}, { behind })
    expect([answer.code, answer.lifetime]).toEqual([200, 600])
    expect(answer.message.has(Attribute.RESERVATION_TOKEN)).toBe(false)
    const refreshed = await client.ask(Method.REFRESH, () => {}, { behind: (w) => w.uint32(Attribute.LIFETIME, 0) })
    expect([refreshed.code, refreshed.lifetime]).toEqual([200, 600])
    expect((await client.refresh(600, { behind })).code).toBe(200)
    expect((await client.refresh(0)).code).toBe(200)
  })

  test('SEC-20 an XOR-PEER-ADDRESS behind it gets no permission and no channel', async () => {
    const client = await login(ALICE)
    await client.allocate()
    const inside: Write = (writer) => writer.xorAddress(Attribute.XOR_PEER_ADDRESS, addressOf('127.0.8.1:1'))
    const behind: Write = (writer) => writer.xorAddress(Attribute.XOR_PEER_ADDRESS, addressOf('127.0.8.2:1'))
    expect((await client.ask(Method.CREATE_PERMISSION, () => {}, { behind })).code).toBe(400)
    const number: Write = (writer) => writer.uint32(Attribute.CHANNEL_NUMBER, 0x40000000)
    expect((await client.ask(Method.CHANNEL_BIND, number, { behind })).code).toBe(400)
    expect((await client.ask(Method.CREATE_PERMISSION, inside, { behind })).code).toBe(200)

    const [named, smuggled] = [await UdpClient.open('127.0.8.1'), await UdpClient.open('127.0.8.2')]
    const dropped = (await server.counters()).dropped['no-permission']
    client.sendTo(`127.0.8.2:${smuggled.port}`, 'hello')
    client.sendTo(`127.0.8.1:${named.port}`, 'hello')
    expect(String((await named.inbox.next()).bytes)).toBe('hello')
    expect((await server.counters()).dropped['no-permission']).toBe(dropped + 1)
    expect(smuggled.inbox.length).toBe(0)
    await client.refresh(0)
  })

  test.each([0, 4, 10, 19, 21])(
    'SEC-20 a MESSAGE-INTEGRITY of %i bytes is a 401, although it is right as far as it goes',
    async (length) => {
      const client = await login(ALICE)
      const whole = (await client.greet()).request(Method.ALLOCATE, udp)
      const covered = whole.subarray(0, whole.length - 24)
      const value = Buffer.concat([whole.subarray(whole.length - 20), Buffer.alloc(1)]).subarray(0, length)
      const attribute = Buffer.alloc(4 + Math.ceil(length / 4) * 4)
      attribute.writeUInt16BE(Attribute.MESSAGE_INTEGRITY, 0)
      attribute.writeUInt16BE(length, 2)
      value.copy(attribute, 4)
      const request = Buffer.concat([covered, attribute])
      request.writeUInt16BE(request.length - 20, 2)
      client.send(request)
      expect((await client.answers.next()).code).toBe(401)
      client.send(whole)
      expect((await client.answers.next()).code).toBe(200)
      await client.refresh(0)
    },
  )

  test('SEC-22 on its 5-tuple another user gets 441, and the allocation stays as it was', async () => {
    const client = await login(ALICE)
    expect((await client.allocate()).code).toBe(200)
    const asBob = { login: BOB }
    const peer: Write = (writer) => writer.xorAddress(Attribute.XOR_PEER_ADDRESS, addressOf('127.0.8.3:1'))
    expect((await client.refresh(0, asBob)).code).toBe(441)
    expect((await client.ask(Method.CREATE_PERMISSION, peer, asBob)).code).toBe(441)
    const channel: Write = (writer) => peer(writer.uint32(Attribute.CHANNEL_NUMBER, 0x40000000))
    expect((await client.ask(Method.CHANNEL_BIND, channel, asBob)).code).toBe(441)
    expect((await client.ask(Method.CONNECT, peer, asBob)).code).toBe(441)
    expect((await client.allocate(() => {}, asBob)).code).toBe(437)

    const dropped = (await server.counters()).dropped['no-permission']
    client.sendTo('127.0.8.3:1', 'hello')
    await client.settled()
    expect((await server.counters()).dropped['no-permission']).toBe(dropped + 1)
    expect((await client.refresh(600)).code).toBe(200)
    expect((await client.refresh(0)).code).toBe(200)
  })

  test('SEC-22 ConnectionBind by another user is a 400', async () => {
    const other = await (await NetworkClient.tcp({ port: server.ports.tcp, login: BOB })).greet()
    const id: Write = (writer) => writer.uint32(Attribute.CONNECTION_ID, 1)
    expect((await other.ask(Method.CONNECTION_BIND, id)).code).toBe(400)
  })
})

describe('password algorithms', () => {
  const OFFERED = '0002000000010000'
  const CASES: readonly (readonly [name: string, list: string | null, choice: string | null, code: number])[] = [
    ['as offered', OFFERED, '00010000', 200],
    ['a list without the better one', '00010000', '00010000', 400],
    ['a list in another order', '0001000000020000', '00010000', 400],
    ['a list that goes on', '000200000001000000030000', '00010000', 400],
    ['no list', null, '00010000', 400],
    ['a list and no choice', OFFERED, null, 400],
    ['a choice that was not offered', OFFERED, '00030000', 400],
    ['a choice with parameters', OFFERED, '0001000400000000', 400],
  ]
  test.each(CASES)('SEC-21 %s', async (_name, list, choice, code) => {
    const server = await startForTest({ sha256: 'on' })
    const client = await NetworkClient.udp({ port: server.ports.udp, login: ALICE })
    const answer = await client.allocate((writer) => {
      if (list !== null) writer.bytes(Attribute.PASSWORD_ALGORITHMS, Buffer.from(list, 'hex'))
      if (choice !== null) writer.bytes(Attribute.PASSWORD_ALGORITHM, Buffer.from(choice, 'hex'))
    })
    expect(answer.code).toBe(code)
  })

  test('SEC-21 the feature bits in the nonce cannot be taken back', async () => {
    const server = await startForTest({ sha256: 'on' })
    const client = await (await NetworkClient.udp({ port: server.ports.udp, login: ALICE })).greet()
    const nonce = client.nonce!
    expect(nonce.slice(0, 13)).toBe('obMatJos2gAAA')
    const answer = await client.allocate(() => {}, { nonce: `obMatJos2AAAA${nonce.slice(13)}` })
    expect(answer.code).toBe(438)
  })
})

describe('odd user names', () => {
  const NAMES: readonly (readonly [name: string, username: Buffer | string, code: number])[] = [
    ['empty', '', 401],
    ['of 513 bytes', 'n'.repeat(513), 401],
    ['of 764 bytes', 'n'.repeat(764), 400],
    ['of 60 000 bytes', 'n'.repeat(60_000), 400],
    ['no UTF-8', Buffer.from('616cff69', 'hex'), 400],
    ['with a NUL', 'alice\0', 400],
    ['with CR and LF', 'alice\r\n{"level":"fatal"}', 400],
    ['with an escape', '\u001b[2J', 400],
    ['a format', '%s%n%x', 401],
    ['__proto__', '__proto__', 401],
    ['constructor', 'constructor', 401],
    ['a path', '../../etc/passwd', 401],
    ['SQL', "' OR 1=1; --", 401],
    ['a number that is none', '99999999999999999999999999:x', 401],
    ['with U+2028', 'alice\u2028bob', 401],
  ]
  let server: TestServer
  beforeAll(async () => {
    server = await startTestServer({ 'relay-threads': '1' })
    return () => server.close()
  })

  test.each(NAMES)('SEC-24 a USERNAME that is %s is refused, and does nothing else', async (_name, username, code) => {
    const number = NAMES.findIndex(([, other]) => other === username) + 1
    const client = await NetworkClient.udp({ port: server.ports.udp, login: ALICE, from: `127.0.9.${number}` })
    await client.greet()
    const signed: RawAttribute[] = [
      [Attribute.REQUESTED_TRANSPORT, '11000000'],
      [Attribute.USERNAME, Buffer.from(username)],
      [Attribute.REALM, Buffer.from(client.realm!)],
      [Attribute.NONCE, Buffer.from(client.nonce!)],
      [Attribute.MESSAGE_INTEGRITY, longTermKey('x', 'x', 'x')],
    ]
    const lines = (await server.log()).length
    const answers = await client.answersTo(rawMessage(Method.ALLOCATE, signed))
    expect(answers.map((answer) => answer.code)).toEqual([code])
    const logged = (await server.log()).slice(lines)
    expect(logged).toHaveLength(1)
    expect(logged[0]).toMatchObject({ level: 'info', msg: 'request refused', code, client: `127.0.9.${number}` })
    expect(Object.keys(Object.prototype)).toEqual([])
    expect((await client.allocate()).code).toBe(200)
  })

  test('SEC-24 over TCP a USERNAME of 60 000 bytes ends the connection before it is read', async () => {
    const client = await NetworkClient.tcp({ port: server.ports.tcp })
    client.send(rawMessage(Method.ALLOCATE, [[Attribute.USERNAME, Buffer.alloc(60_000, 'n')]]))
    await client.closed
    expect(client.receivedBytes).toBe(0)
  })
})

describe('a server without a good secret', () => {
  const warnings = async (options: TestOptions) => {
    const loaded = await loadConfig(readFlags(commandLine(options), new Set()))
    return loaded.warnings.map(({ message }) => message).join('\n')
  }

  test('SEC-26 starts with a secret of fewer than 16 characters, and warns', async () => {
    const short = { 'static-auth-secret': 'n0rth' }
    expect(await warnings(short)).toContain('shorter than 16 characters')
    expect(await warnings(short)).not.toContain('n0rth')
    expect(await warnings({})).not.toContain('shorter than 16 characters')
    const server = await startForTest(short)
    const client = await NetworkClient.udp({ port: server.ports.udp, login: temporary(60, 'n0rth') })
    expect((await client.allocate()).code).toBe(200)
  })

  test('SEC-26 with neither secret nor user it makes a random one, and is no open relay', async () => {
    const nothing = { 'static-auth-secret': [], user: [] }
    expect(await warnings(nothing)).toContain('no static-auth-secret')
    const server = await startForTest(nothing)
    expect(server.running.summary).toContain('The TURN secret is random')
    for (const login of [null, ALICE, temporary(60), temporary(60, ''), { username: '', password: '' }]) {
      const client = await NetworkClient.udp({ port: server.ports.udp, login })
      expect((await client.allocate()).code).toBe(401)
    }
    const document = await (await fetch(`${server.url}/v1alpha/iceconfig`, { method: 'POST' })).json()
    const { username, credential } = document.iceServers.find((entry: { username?: string }) => entry.username)
    const client = await NetworkClient.udp({ port: server.ports.udp, login: { username, password: credential } })
    expect((await client.allocate()).code).toBe(200)
    // Another run has another secret.
    const again = await startForTest(nothing)
    const late = await NetworkClient.udp({ port: again.ports.udp, login: { username, password: credential } })
    expect((await late.allocate()).code).toBe(401)
  })
})
