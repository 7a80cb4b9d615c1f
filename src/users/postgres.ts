import { existsSync, readFileSync } from 'node:fs'
import { userInfo } from 'node:os'
import type { DatabasePlan } from './account-database.ts'
import { BadConnectionString, portOf, readConnectionString, timeoutMs } from './connection-string.ts'
import { driverPackage } from './packages.ts'
import { codeOf, type Rows, SqlTables } from './sql-tables.ts'

const KEYS = [
  'host',
  'hostaddr',
  'port',
  'dbname',
  'user',
  'password',
  'connect_timeout',
  'sslmode',
  'sslrootcert',
  'sslcert',
  'sslkey',
  'application_name',
]
const MOST_CONNECTIONS = 4
/** Where libpq looks when no host is given, on Debian and elsewhere. */
const SOCKET_FOLDERS = ['/var/run/postgresql', '/tmp']
const UNDEFINED_TABLE = '42P01'
const UNTRANSLATABLE_CHARACTER = '22P05'

/** `psql-userdb`: libpq's string, or its URI. */
export function postgresPlan(text: string): DatabasePlan {
  const options = /^postgres(ql)?:\/\//.test(text) ? ofUri(text) : ofString(text)
  const { host, port } = options
  return {
    kind: 'postgresql',
    endpoint: host.startsWith('/') ? null : { host, port },
    open: async () => {
      // @ts-expect-error: the package has no types of its own.
      const load = (): Promise<{ default: Pg }> => import('pg')
      const { default: pg } = await driverPackage('pg', '8.23.1', load)
      const pool = new pg.Pool({ ...options, max: MOST_CONNECTIONS, allowExitOnIdle: true })
      // A connection that breaks while nobody uses it: the next question opens another.
      pool.on('error', () => {})
      return new SqlTables(
        {
          query: async (sql, values) => (await pool.query(sql, values)).rows,
          close: () => pool.end(),
        },
        {
          bound: (place) => `$${place}`,
          isNoTable: (error) => codeOf(error) === UNDEFINED_TABLE,
          isForeignText: (error) => codeOf(error) === UNTRANSLATABLE_CHARACTER,
        },
      )
    },
  }
}

interface Pool {
  on(event: 'error', listener: () => void): void
  query(sql: string, values: readonly string[]): Promise<{ readonly rows: Rows }>
  end(): Promise<void>
}

interface Pg {
  readonly Pool: new (options: object) => Pool
}

interface PostgresOptions {
  readonly host: string
  readonly port: number
}

function ofString(text: string): PostgresOptions {
  const given = readConnectionString(text, KEYS)
  const user = given['user'] || userInfo().username
  return {
    host: given['hostaddr'] || given['host'] || SOCKET_FOLDERS.find((path) => existsSync(path)) || 'localhost',
    port: portOf(given['port'], 5432),
    ...{ user, database: given['dbname'] || user, application_name: given['application_name'] || 'webrtc-stack' },
    ...(given['password'] === undefined ? {} : { password: given['password'] }),
    ...waits(given['connect_timeout']),
    ...tls(given),
  }
}

function ofUri(text: string): PostgresOptions {
  if (!URL.canParse(text)) throw new BadConnectionString('is not a URI')
  const { hostname, port, username, password, pathname, searchParams } = new URL(text)
  const given = Object.fromEntries(searchParams)
  const user = decodeURIComponent(username) || given['user'] || userInfo().username
  const secret = decodeURIComponent(password) || given['password']
  const host = hostname.replace(/^\[|\]$/g, '') || given['host']
  return {
    host: host || SOCKET_FOLDERS.find((path) => existsSync(path)) || 'localhost',
    port: portOf(port || given['port'], 5432),
    ...{ user, database: decodeURIComponent(pathname.slice(1)) || given['dbname'] || user },
    ...{ application_name: given['application_name'] || 'webrtc-stack' },
    ...(secret === undefined ? {} : { password: secret }),
    ...waits(given['connect_timeout']),
    ...tls(given),
  }
}

function waits(seconds: string | undefined): object {
  // libpq's 0 means for ever: a login does not.
  return {
    connectionTimeoutMillis: Math.min(timeoutMs(seconds), timeoutMs(undefined)),
    query_timeout: timeoutMs(undefined),
  }
}

/** libpq's modes: `verify-ca` and `verify-full` look at the certificate, `require` does not. */
function tls({ sslmode = 'prefer', sslrootcert, sslcert, sslkey }: Readonly<Record<string, string>>): object {
  if (sslmode === 'disable' || sslmode === 'allow' || sslmode === 'prefer') return { ssl: false }
  return {
    ssl: {
      rejectUnauthorized: sslmode.startsWith('verify') || sslrootcert !== undefined,
      ...(sslmode === 'verify-full' ? {} : { checkServerIdentity: () => undefined }),
      ...(sslrootcert ? { ca: readFileSync(sslrootcert) } : {}),
      ...(sslcert ? { cert: readFileSync(sslcert) } : {}),
      ...(sslkey ? { key: readFileSync(sslkey) } : {}),
    },
  }
}
