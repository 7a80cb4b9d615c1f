import type { AccountDatabase, DatabasePlan, OauthKey, RealmRows } from './account-database.ts'
import { BadConnectionString, timeoutMs } from './connection-string.ts'
import { driverPackage } from './packages.ts'

const DEFAULT_DATABASE = 'turn'
const DEFAULT_PORT = 27_017
/** Less than a question may take, so that it is the driver who says why. */
const SELECTION_MS = 2000

/** `mongo-userdb`: a mongodb:// URI. */
export function mongoPlan(uri: string): DatabasePlan {
  const found = /^mongodb(\+srv)?:\/\/(?:[^@/]*@)?([^/?]+)(?:\/([^?]*))?/.exec(uri)
  if (found === null) throw new BadConnectionString('is not a mongodb:// URI')
  const [, isNamedByDns, hosts = '', database] = found
  const [, host = '', port] = /^\[?([^\],]*?)\]?(?::(\d+))?(?:,|$)/.exec(hosts) ?? []
  return {
    kind: 'mongodb',
    endpoint: isNamedByDns || host === '' ? null : { host, port: Number(port ?? DEFAULT_PORT) },
    open: async () => {
      const { MongoClient } = await driverPackage('mongodb', '7.9.0', () => import('mongodb'))
      const name = database ? decodeURIComponent(database) : DEFAULT_DATABASE
      return new MongoDatabase(async () => {
        const client = new MongoClient(uri, {
          serverSelectionTimeoutMS: SELECTION_MS,
          connectTimeoutMS: timeoutMs(undefined),
          socketTimeoutMS: timeoutMs(undefined),
        })
        try {
          await client.connect()
        } catch (error) {
          await client.close()
          throw error
        }
        const db = client.db(name)
        return {
          findOne: (collection, filter) => db.collection(collection).findOne(filter),
          find: (collection, filter) => db.collection(collection).find(filter).toArray(),
          close: () => client.close(),
        }
      })
    },
  }
}

type Document = Readonly<Record<string, unknown>>
type Filter = Readonly<Record<string, { readonly $eq: string } | { readonly $in: readonly string[] }>>

interface Client {
  findOne(collection: string, filter: Filter): Promise<Document | null>
  find(collection: string, filter: Filter): Promise<Document[]>
  close(): Promise<void>
}

/** coturn's collections. */
class MongoDatabase implements AccountDatabase {
  readonly #connect: () => Promise<Client>
  #connecting: Promise<Client> | null = null

  constructor(connect: () => Promise<Client>) {
    this.#connect = connect
  }

  async key(name: string, realm: string): Promise<string | null> {
    const client = await this.#client()
    const user = await client.findOne('turnusers_lt', { name: { $eq: name }, realm: { $eq: realm } })
    return user === null ? null : textOf(user['hmackey'])
  }

  async settings(realm: string): Promise<RealmRows> {
    const client = await this.#client()
    const secrets = await client.find('turn_secret', { realm: { $eq: realm } })
    const realms = await client.find('realm', { realm: { $in: [realm, ''] } })
    const own = realms.find((each) => each['realm'] === realm)?.['options']
    const lists = (name: string) => realms.flatMap((each) => arrayOf(each[name]))
    return {
      secrets: secrets.map(({ value }) => textOf(value)),
      options: Object.fromEntries(Object.entries(own ?? {}).map(([option, value]) => [option, textOf(value)])),
      allowedPeers: lists('allowed_peer_ip'),
      deniedPeers: lists('denied_peer_ip'),
    }
  }

  async oauthKey(kid: string): Promise<OauthKey | null> {
    const client = await this.#client()
    const key = await client.findOne('oauth_key', { kid: { $eq: kid } })
    if (key === null) return null
    return {
      kid,
      key: textOf(key['ikm_key']),
      timestamp: Number(key['timestamp'] ?? 0),
      lifetimeSeconds: Number(key['lifetime'] ?? 0),
      algorithm: textOf(key['as_rs_alg']),
      realm: textOf(key['realm']),
    }
  }

  async close(): Promise<void> {
    const client = await this.#connecting?.catch(() => null)
    await client?.close()
  }

  /** A client that has connected once finds its way back by itself; one that never has is of no more use. */
  #client(): Promise<Client> {
    this.#connecting ??= this.#connect().catch((error) => {
      this.#connecting = null
      throw error
    })
    return this.#connecting
  }
}

function textOf(value: unknown): string {
  return value === null || value === undefined ? '' : String(value)
}

function arrayOf(value: unknown): string[] {
  return Array.isArray(value) ? value.map(textOf) : []
}
