import { readFileSync } from 'node:fs'
import type { AccountDatabase, DatabasePlan, RealmRows } from './account-database.ts'
import { BadConnectionString, isOn, portOf, readConnectionString, timeoutMs } from './connection-string.ts'
import { driverPackage } from './packages.ts'

const KEYS = [
  'host',
  'port',
  'dbname',
  'user',
  'password',
  'connect_timeout',
  'tls',
  'ca',
  'capath',
  'cert',
  'clientkey',
  'sni',
  'verify',
]
/** Attempts to connect again that follow each other at once become rarer, up to this. */
const MOST_PAUSE_MS = 2000
const FIRST_CONNECT_MS = 1000

/** `redis-userdb`: coturn's string, or a redis:// URL. */
export function redisPlan(text: string): DatabasePlan {
  const options = /^rediss?:\/\//.test(text) ? ofUrl(text) : ofString(text)
  const { host, port } = options
  return {
    kind: 'redis',
    endpoint: { host, port },
    open: async () => {
      const { createClient } = await driverPackage('redis', '6.3.1', () => import('redis'))
      const client = createClient({
        socket: {
          host,
          port,
          connectTimeout: options.timeoutMs,
          reconnectStrategy: (tries) => Math.min(50 * 2 ** Math.min(tries, 10), MOST_PAUSE_MS),
          ...options.tls,
        },
        database: options.database,
        // A question to a server that is away fails at once, and does not wait for its return.
        disableOfflineQueue: true,
        ...(options.user === undefined ? {} : { username: options.user }),
        ...(options.password === undefined ? {} : { password: options.password }),
      })
      // Whoever asks hears of it: without a listener it would end the process.
      client.on('error', () => {})
      const connecting = client.connect().catch(() => {})
      return new RedisDatabase(client, connecting)
    },
  }
}

/** What is used of the driver's client. */
interface Client {
  readonly isReady: boolean
  get(key: string): Promise<string | null>
  sMembers(key: string): Promise<string[]>
  hGetAll(key: string): Promise<Record<string, string>>
  destroy(): void
}

/** coturn's keys (RFC 8489 has no say in them): turn/realm/REALM/user/NAME/key and so on. A name with a slash stays a name. */
class RedisDatabase implements AccountDatabase {
  readonly #client: Client
  readonly #connecting: Promise<unknown>

  constructor(client: Client, connecting: Promise<unknown>) {
    this.#client = client
    this.#connecting = connecting
  }

  async key(name: string, realm: string): Promise<string | null> {
    await this.#begun()
    return await this.#client.get(`turn/realm/${realm}/user/${name}/key`)
  }

  async settings(realm: string): Promise<RealmRows> {
    await this.#begun()
    const of = (what: string) => `turn/realm/${realm}/${what}`
    const peers = async (what: string) => {
      const lists = [of(what), ...(realm === '' ? [] : [`turn/realm//${what}`])]
      return (await Promise.all(lists.map((list) => this.#client.sMembers(list)))).flat()
    }
    const names = ['max-bps', 'user-quota', 'total-quota']
    const [secrets, values, allowedPeers, deniedPeers] = await Promise.all([
      this.#client.sMembers(of('secret')),
      Promise.all(names.map((name) => this.#client.get(of(name)))),
      peers('allowed-peer-ip'),
      peers('denied-peer-ip'),
    ])
    const options = Object.fromEntries(names.flatMap((name, i) => (values[i] == null ? [] : [[name, values[i]]])))
    return { secrets, options, allowedPeers, deniedPeers }
  }

  async oauthKey(kid: string) {
    await this.#begun()
    const { ikm_key: key, timestamp, lifetime, as_rs_alg, realm } = await this.#client.hGetAll(`turn/oauth/kid/${kid}`)
    if (key === undefined) return null
    return {
      kid,
      key,
      timestamp: Number(timestamp ?? 0),
      lifetimeSeconds: Number(lifetime ?? 0),
      algorithm: as_rs_alg ?? '',
      realm: realm ?? '',
    }
  }

  async close(): Promise<void> {
    this.#client.destroy()
    await this.#connecting
  }

  /** The first question may come before the first connection. */
  async #begun(): Promise<void> {
    if (this.#client.isReady) return
    await Promise.race([this.#connecting, new Promise((then) => setTimeout(then, FIRST_CONNECT_MS).unref())])
  }
}

interface RedisOptions {
  readonly host: string
  readonly port: number
  readonly database: number
  readonly user: string | undefined
  readonly password: string | undefined
  readonly timeoutMs: number
  readonly tls: object
}

function ofString(text: string): RedisOptions {
  const given = readConnectionString(text, KEYS)
  const file = (name: string) => (given[name] ? { [TLS_NAMES[name]!]: readFileSync(given[name]) } : {})
  const tls = isOn(given['tls'])
    ? {
        tls: true,
        ...file('ca'),
        ...file('cert'),
        ...file('clientkey'),
        ...(given['sni'] ? { servername: given['sni'] } : {}),
        rejectUnauthorized: given['verify'] === undefined || isOn(given['verify']),
      }
    : {}
  return {
    host: given['host'] || '127.0.0.1',
    port: portOf(given['port'], 6379),
    database: numberOf(given['dbname']),
    user: given['user'],
    password: given['password'],
    timeoutMs: timeoutMs(given['connect_timeout']),
    tls,
  }
}

const TLS_NAMES: Readonly<Record<string, string>> = { ca: 'ca', cert: 'cert', clientkey: 'key' }

function ofUrl(text: string): RedisOptions {
  if (!URL.canParse(text)) throw new BadConnectionString('is not a URL')
  const { protocol, hostname, port, username, password, pathname } = new URL(text)
  return {
    host: hostname.replace(/^\[|\]$/g, '') || '127.0.0.1',
    port: portOf(port, 6379),
    database: numberOf(pathname.slice(1)),
    user: username === '' ? undefined : decodeURIComponent(username),
    password: password === '' ? undefined : decodeURIComponent(password),
    timeoutMs: timeoutMs(undefined),
    tls: protocol === 'rediss:' ? { tls: true } : {},
  }
}

function numberOf(dbname: string | undefined): number {
  const number = Number(dbname ?? '')
  if (!Number.isInteger(number) || number < 0) throw new BadConnectionString('has a dbname that is no number')
  return number
}
