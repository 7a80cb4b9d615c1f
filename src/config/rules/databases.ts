import type { Draft } from '../draft.ts'
import type { OptionName } from '../options.ts'
import { Secret } from '../secret.ts'
import type { Setting } from '../setting.ts'

const DATABASES = ['userdb', 'psql-userdb', 'mysql-userdb', 'mongo-userdb', 'redis-userdb'] as const
/** Other names of the same databases. */
const ALIASES = { db: 'userdb', 'sql-userdb': 'psql-userdb' } as const

/** Of several databases the last one counts (CONF-ORD-06); of none, the file that coturn reads when it is told to ask for logins. */
export function settleDatabases(draft: Draft, settings: readonly Setting[], accountFile: string | null): void {
  const { values } = draft
  const names: readonly OptionName[] = [...DATABASES, 'db', 'sql-userdb']
  const given = settings.filter(({ name }) => names.includes(name) && values[name] !== null).map(({ name }) => name)
  const last = given.at(-1)
  for (const other of new Set(given)) {
    if (other !== last) draft.warn(other, `is not read: of several databases the last counts, which is ${last}`)
  }
  const connection = last === undefined ? null : values[last]
  for (const name of names) Object.assign(values, { [name]: null })
  if (last !== undefined && connection instanceof Secret) {
    const name = last === 'db' || last === 'sql-userdb' ? ALIASES[last] : last
    Object.assign(values, { [name]: connection })
  } else if (accountFile !== null && !values['no-auth']) {
    const key = (['use-auth-secret', 'lt-cred-mech'] as const).find((name) => draft.isGiven(name) && values[name])
    if (key === undefined) return
    values.userdb = new Secret(accountFile)
    draft.warn(
      key,
      `lets accounts and secrets of ${accountFile} log in, too, as with coturn; userdb names another file`,
    )
  }
  if (hasDatabase(draft) && values.sha256 === 'strict')
    draft.warn('sha256', 'is strict, and the keys of databases are for SHA-1: nobody there can log in')
}

/** Whether accounts come from a database, too. */
export function hasDatabase({ values }: Pick<Draft, 'values'>): boolean {
  return DATABASES.some((name) => values[name] !== null)
}
