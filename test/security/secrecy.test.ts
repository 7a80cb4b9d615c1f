import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { inspect } from 'node:util'
import { expect, onTestFinished, test } from 'vitest'
import { WebSocket } from 'ws'
import { readFlags } from '../../src/config/flags.ts'
import { loadConfig } from '../../src/config/load.ts'
import { Attribute, Method } from '../../src/stun/constants.ts'
import { longTermKey, longTermKeySha256 } from '../../src/stun/integrity.ts'
import { mint, restPassword } from '../../src/turn/auth/credentials.ts'
import { nonceKey } from '../../src/turn/auth/nonce.ts'
import { command } from '../commands/running.ts'
import { NetworkClient } from '../support/network-client.ts'
import { isInstalled } from '../support/peers.ts'
import {
  commandLine,
  startTestServer,
  type TestOptions,
  type TestServer,
  testCertificate,
  testSecret,
  testUser,
} from '../support/server.ts'
import type { Login } from '../support/turn-client.ts'

const REALM = 'e2e.test'
const ALICE: Login = { username: testUser.name, password: testUser.password }
const KEYED: Login = { username: 'keyed', password: 'behind-the-waterfall' }
const OLD_SECRET = 'south-of-the-bridge'
const NONCE_SECRET = 'west-of-the-mill'
const keyOf = ({ username, password }: Login) => longTermKey(username, REALM, password)

const OPTIONS: TestOptions = {
  // The key of an account holds it.
  realm: REALM,
  dtls: true,
  sha256: 'on',
  mobility: true,
  'static-auth-secret': [testSecret, OLD_SECRET],
  'stateless-nonce-secret': NONCE_SECRET,
  user: [`${ALICE.username}:${ALICE.password}`, `${KEYED.username}:0x${keyOf(KEYED).toString('hex')}`],
}

/** Whatever must not be seen, by what it is. */
class Secrets {
  readonly #forms = new Map<string, string>()

  add(name: string, value: string | Buffer): void {
    const bytes = Buffer.from(value)
    if (typeof value === 'string') this.#forms.set(value, name)
    for (const encoding of ['hex', 'base64', 'base64url'] as const) {
      this.#forms.set(bytes.toString(encoding).replace(/=+$/, ''), `${name} in ${encoding}`)
    }
    this.#forms.set(bytes.toString('hex').toUpperCase(), `${name} in hex`)
  }

  /** The names of those that `text` gives away. */
  in(text: string): string[] {
    return [...this.#forms].filter(([form]) => text.includes(form)).map(([, name]) => name)
  }
}

function secretsOfTheConfiguration(): Secrets {
  const secrets = new Secrets()
  for (const secret of [testSecret, OLD_SECRET, NONCE_SECRET, ALICE.password]) secrets.add(`"${secret}"`, secret)
  secrets.add('nonce key', nonceKey(NONCE_SECRET))
  for (const login of [ALICE, KEYED]) {
    secrets.add(`MD5 key of ${login.username}`, keyOf(login))
    secrets.add(`SHA-256 key of ${login.username}`, longTermKeySha256(login.username, REALM, login.password))
  }
  const [, pem] = /-----\n([\s\S]+)\n-----END/.exec(readFileSync(testCertificate.key, 'utf8'))!
  for (const line of pem!.split('\n').slice(0, -1)) secrets.add('private key', line)
  return secrets
}

test('SEC-25 nothing that a full run writes holds a secret, a password, a key or a credential', {
  timeout: 60_000,
}, async () => {
  const server = await startTestServer(OPTIONS)
  let isOpen = true
  onTestFinished(() => (isOpen ? server.close() : undefined))
  const secrets = secretsOfTheConfiguration()
  const written = new Map<string, string>([['summary', server.running.summary]])

  // The answers that hand out credentials are the one place for them; not even they hold what credentials are made of.
  const issued = await fetch(`${server.url}/v1alpha/iceconfig?username=carol`, { method: 'POST' })
  const document = await issued.text()
  expect(secrets.in(document)).toEqual([])
  const handedOut = JSON.parse(document).iceServers.find((entry: { username?: string }) => entry.username)
  const carol: Login = { username: handedOut.username, password: handedOut.credential }
  const wallMs = Date.now()
  const logins = {
    account: ALICE,
    key: KEYED,
    'handed out': carol,
    'of the older secret': mint(OLD_SECRET, { userid: 'dave', lifetimeSeconds: 60, wallMs }),
    expired: mint(testSecret, { userid: 'erin', lifetimeSeconds: -60, wallMs }),
    'wrong password': { ...ALICE, password: 'a wrong guess of mine' },
    'password for a name': { username: 'frank', password: restPassword(testSecret, 'frank') },
  }
  for (const [name, login] of Object.entries(logins)) {
    secrets.add(`password (${name})`, login.password)
    secrets.add(`key (${name})`, keyOf(login))
  }

  const transports = ['udp', 'tcp', 'tls', ...(isInstalled('openssl') ? (['dtls'] as const) : [])] as const
  const codes: number[] = []
  for (const transport of transports) {
    for (const login of Object.values(logins)) {
      const port = server.ports[transport]!
      codes.push(...(await session(await NetworkClient[transport]({ port, login }))))
    }
  }
  expect(new Set(codes)).toEqual(new Set([200, 400, 401, 403, 437, 438]))

  for (const ticket of await tickets(server.ports.udp)) secrets.add('ticket', ticket)

  for (const [name, text] of await roomsAndPages(server)) written.set(name, text)
  await server.reload()
  server.running.operations.drain(null)
  await session(await NetworkClient.udp({ port: server.ports.udp, login: ALICE }))

  const shown = await command('check-config', '--show', ...commandLine(OPTIONS))
  const json = await command('check-config', '--show', '--json', ...commandLine(OPTIONS))
  expect([shown.exitCode, json.exitCode]).toEqual([0, 0])
  for (const { out, err } of [shown, json]) written.set(`check-config ${written.size}`, out + err)

  const second = { ...OPTIONS, 'listening-port': String(server.ports.tcp) }
  const inUse = await startTestServer(second).then(
    async (other) => void (await other.close()),
    (error: unknown) => error,
  )
  expect(inUse).toBeInstanceOf(Error)
  written.set('a start that fails', inspect(inUse, { depth: 10, showHidden: true }))
  const loaded = await loadConfig(readFlags(commandLine(OPTIONS), new Set()))
  written.set('the configuration', inspect(loaded, { depth: 10, showHidden: true }) + JSON.stringify(loaded.config))

  const log = await server.log()
  expect(log.filter(({ level }) => level === 'debug').length).toBeGreaterThan(0)
  expect(log.filter(({ msg }) => msg === 'request refused').length).toBeGreaterThan(3)
  isOpen = false
  written.set('log', JSON.stringify(log))
  await server.close()

  for (const name of ['summary', 'log', '/params', '/status', '/metrics']) expect(written.get(name)).toMatch(/..../)
  const found = [...written].flatMap(([name, text]) => secrets.in(text).map((secret) => `${name}: ${secret}`))
  expect(found).toEqual([])
})

/** Of an allocation that another user is not given, and that moves once. */
async function tickets(port: number): Promise<string[]> {
  const mobile = await NetworkClient.udp({ port, login: ALICE })
  const allocated = await mobile.allocate((writer) => writer.empty(Attribute.MOBILITY_TICKET))
  const ticket = allocated.message.text(Attribute.MOBILITY_TICKET)!
  const move = async (login: Login) => {
    const other = await (await NetworkClient.udp({ port, login })).greet()
    return other.ask(Method.REFRESH, (writer) => writer.text(Attribute.MOBILITY_TICKET, ticket))
  }
  expect((await move(KEYED)).code).toBe(441)
  const moved = await move(ALICE)
  expect(moved.code).toBe(200)
  return [ticket, moved.message.text(Attribute.MOBILITY_TICKET)!]
}

/** What a client does with a login: all requests, right and wrong ones; answers with the codes it got. */
async function session(client: NetworkClient): Promise<number[]> {
  const codes = [(await client.allocate()).code]
  const ask = async (answer: ReturnType<NetworkClient['ask']>) => void codes.push((await answer).code)
  await ask(client.refresh(600, { nonce: 'of my own making' }))
  await ask(client.permit('127.0.0.1:9'))
  await ask(client.permit('169.254.169.254:80'))
  await ask(client.bind(0x4000, '127.0.0.1:9'))
  await ask(client.ask(Method.CHANNEL_BIND))
  await ask(client.ask(Method.REFRESH, (writer) => writer.bytes(Attribute.MOBILITY_TICKET, Buffer.alloc(8))))
  await ask(client.refresh(0))
  client.sendTo('127.0.0.1:9', 'data')
  return codes.filter((code) => code !== 405)
}

/** Calls every page and route, right and wrong; answers with all that comes back. */
async function roomsAndPages(server: TestServer): Promise<[string, string][]> {
  const { collider } = server.running.web!
  const answers: [string, string][] = []
  const ask = async (path: string, method = 'GET', body?: string) => {
    const response = await fetch(server.url + path, { method, ...(body === undefined ? {} : { body }) })
    const headers = JSON.stringify([...response.headers])
    answers.push([path, `${response.status} ${headers} ${await response.text()}`])
    return answers.at(-1)![1]
  }
  for (const path of [
    '/',
    '/r/hall',
    '/params',
    '/params?debug=loopback',
    '/status',
    '/metrics',
    '/healthz',
    '/readyz',
  ]) {
    await ask(path)
  }
  expect(await ask('/join/hall', 'POST')).toContain('SUCCESS')
  expect(await ask('/join/hall?x=1', 'POST')).toContain('SUCCESS')
  expect(await ask('/join/hall?x=2', 'POST')).toContain('FULL')
  for (const path of ['/message/hall/1', '/leave/hall/1', '/hall/1', '/a', '/join/%00', '/nowhere']) {
    await ask(path, 'POST', `{"junk":${path.length}`)
  }
  for (const path of ['/nowhere', '/%2e%2e/etc', '/join/hall', '/ws', '/r/%ff']) await ask(path)

  const scheme = collider!.tls ? 'wss' : 'ws'
  const socket = new WebSocket(`${scheme}://127.0.0.1:${collider!.port}/ws`, { rejectUnauthorized: false })
  let heard = ''
  socket.on('message', (data) => (heard += String(data)))
  await once(socket, 'open')
  socket.send(JSON.stringify({ cmd: 'register', roomid: 'hall', clientid: '7' }))
  socket.send(JSON.stringify({ cmd: 'send', msg: 'hello' }))
  socket.send('no JSON')
  await once(socket, 'close')
  answers.push(['signaling', heard])
  return answers
}

test.each([
  ['a user without a colon', 'user=alice-under-the-mountain'],
  ['a user without a name', 'user=:under-the-mountain'],
  ['a key that is too short', 'user=alice:0xbadc0ffee'],
  ['an unknown key', 'static-auth-secrt=under-the-mountain'],
  ['a secret that is not quoted as it should be', 'static-auth-secret "under-the-mountain'],
  ['a secret for a flag', 'no-tls=under-the-mountain'],
  ['a secret and no-auth', 'static-auth-secret=under-the-mountain\nno-auth'],
  ['a secret and a line that is wrong', 'static-auth-secret=under-the-mountain\nmin-port=70000'],
  ['a wrong passphrase', `cert=${testCertificate.cert}\npkey=${encryptedKeyFile()}\npkey-pwd=under-the-mountain`],
  ['a database with a password', 'psql-userdb="host=db password=under-the-mountain"\nmin-port=70000'],
])('SEC-25 no complaint about a configuration repeats %s', async (_name, lines) => {
  const folder = mkdtempSync(join(tmpdir(), 'webrtc-stack-secrecy-'))
  onTestFinished(() => rmSync(folder, { recursive: true }))
  const file = join(folder, 'turnserver.conf')
  writeFileSync(file, `realm=example.org\n${lines}\n`)
  for (const words of [[], ['--show'], ['--show', '--json']]) {
    const { out, err } = await command('check-config', ...words, '-c', file)
    expect(out + err).not.toBe('')
    expect(out + err).not.toContain('under-the-mountain')
    expect(out + err).not.toContain('badc0ffee')
  }
})

function encryptedKeyFile(): string {
  return testCertificate.key.replace('localhost-rsa.key', 'localhost-ec-encrypted.key')
}

test('SEC-25 no secret is in a digest that could be tried offline', async () => {
  const server = await startTestServer(OPTIONS)
  onTestFinished(() => server.close())
  const client = await (await NetworkClient.udp({ port: server.ports.udp, login: ALICE })).greet()
  await client.allocate()
  const text = JSON.stringify(await server.log()) + server.running.summary
  for (const algorithm of ['md5', 'sha1', 'sha256']) {
    for (const secret of [testSecret, ALICE.password]) {
      expect(text).not.toContain(createHash(algorithm).update(secret).digest('hex'))
    }
  }
})
