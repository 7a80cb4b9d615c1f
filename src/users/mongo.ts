import type { AccountDatabase, DatabasePlan, OauthKey, RealmRows } from './account-database.ts'
import { BadConnectionString, timeoutMs } from './connection-string.ts'
import { driverPackage } from './packages.ts'

const DEFAULT_DATABASE = 'turn'
const DEFAULT_PORT = 27_017

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
      const client = new MongoClient(uri, {
        serverSelectionTimeoutMS: timeoutMs(undefined),
        connectTimeoutMS: timeoutMs(undefined),
        socketTimeoutMS: timeoutMs(undefined),
      })
      const db = client.db(database ? decodeURIComponent(database) : DEFAULT_DATABASE)
      return new MongoDatabase({
        findOne: (collection, filter) => db.collection(collection).findOne(filter),
        find: (collection, filter) => db.collection(collection).find(filter).toArray(),
        close: () => client.close(),
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
  readonly #client: Client

  constructor(client: Client) {
    this.#client = client
  }

  async key(name: string, realm: string): Promise<string | null> {
    const user = await this.#client.findOne('turnusers_lt', { name: { $eq: name }, realm: { $eq: realm } })
    return user === null ? null : textOf(user['hmackey'])
  }

  async settings(realm: string): Promise<RealmRows> {
    const secrets = await this.#client.find('turn_secret', { realm: { $eq: realm } })
    const realms = await this.#client.find('realm', { realm: { $in: [realm, ''] } })
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
    const key = await this.#client.findOne('oauth_key', { kid: { $eq: kid } })
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

  close(): Promise<void> {
    return this.#client.close()
  }
}

function textOf(value: unknown): string {
  return value === null || value === undefined ? '' : String(value)
}

function arrayOf(value: unknown): string[] {
  return Array.isArray(value) ? value.map(textOf) : []
}
