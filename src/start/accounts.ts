import { lookup } from 'node:dns/promises'
import { accessSync, constants } from 'node:fs'
import { performance } from 'node:perf_hooks'
import { ConfigError } from '../config/config-error.ts'
import type { Config } from '../config/options.ts'
import type { Log } from '../log.ts'
import type { DatabaseEndpoint, DatabasePlan } from '../users/account-database.ts'
import { AccountStore } from '../users/account-store.ts'
import { BadConnectionString } from '../users/connection-string.ts'
import { MissingPackage } from '../users/packages.ts'
import { accountPlan } from './plan/account-plan.ts'

/**
 * Opens the database of accounts that the configuration names; null for none. What stands in the way stops the start where nobody
 * else can log in, and is a warning otherwise; a database that is only away stops nothing.
 */
export async function openAccounts(config: Config, parentLog: Log, changed: () => void): Promise<AccountStore | null> {
  const named = accountPlan(config)
  if (named === null) return null
  const log = parentLog.child({ part: 'accounts' })
  try {
    const plan = named.plan()
    // Everything else that a name can mean is found out by asking.
    if (plan.kind === 'sqlite') accessSync(named.connection, constants.R_OK)
    const { realm } = config
    const database = await plan.open()
    const services = await addressesOf(plan, log)
    const store = new AccountStore({ database, services, realm, log, clock: () => performance.now(), changed })
    await store.start()
    log.info({ kind: plan.kind, isUp: store.isUp }, 'accounts come from a database, too')
    return store
  } catch (error) {
    const trouble = troubleOf(error)
    if (trouble === null) throw error
    const { message, fix } = trouble
    if (config.user.length + config['static-auth-secret'].length > 0) {
      log.warn({ option: named.option, fix }, `the account database is not read: it ${message}`)
      return null
    }
    const where = `--${named.option}`
    throw new ConfigError({ where, key: named.option, message: `"${named.option}": ${message}`, fix })
  }
}

/** Why a database cannot be opened at all; null for what is no operator's mistake. */
function troubleOf(error: unknown): { readonly message: string; readonly fix: string | null } | null {
  if (error instanceof MissingPackage) return { message: error.message, fix: error.fix }
  if (error instanceof BadConnectionString) return { message: error.message, fix: null }
  const { code, path } = error as NodeJS.ErrnoException
  if (path === undefined) return null
  return code === 'ENOENT'
    ? { message: `names ${path}, which is not there`, fix: `\`turnadmin -l -b ${path}\` makes one` }
    : { message: `names ${path}, which may not be read (${code})`, fix: `check the rights of ${path}` }
}

async function addressesOf({ endpoint }: DatabasePlan, log: Log): Promise<DatabaseEndpoint[]> {
  if (endpoint === null) return []
  const { host, port } = endpoint
  try {
    return (await lookup(host, { all: true })).map(({ address }) => ({ host: address, port }))
  } catch (error) {
    log.warn({ host, reason: (error as Error).message }, 'the host of the account database has no address now')
    return []
  }
}
