import type { Config, OptionName } from '../../config/options.ts'
import type { Secret } from '../../config/secret.ts'
import type { DatabasePlan } from '../../users/account-database.ts'
import { mongoPlan } from '../../users/mongo.ts'
import { mysqlPlan } from '../../users/mysql.ts'
import { postgresPlan } from '../../users/postgres.ts'
import { redisPlan } from '../../users/redis.ts'
import { sqlitePlan } from '../../users/sqlite.ts'

/** Which database of accounts the configuration names; null for none. `plan` throws BadConnectionString. */
export function accountPlan(
  config: Config,
): { readonly option: OptionName; readonly connection: string; plan(): DatabasePlan } | null {
  const named: readonly (readonly [OptionName, Secret | null, (text: string) => DatabasePlan])[] = [
    ['userdb', config.userdb, sqlitePlan],
    ['psql-userdb', config['psql-userdb'], postgresPlan],
    ['mysql-userdb', config['mysql-userdb'], (text) => mysqlPlan(text, config['secret-key-file'])],
    ['mongo-userdb', config['mongo-userdb'], mongoPlan],
    ['redis-userdb', config['redis-userdb'], redisPlan],
  ]
  const [found] = named.filter(([, secret]) => secret !== null)
  if (found === undefined || !config.turn || config['no-auth'] || config['stun-only']) return null
  const [option, secret, make] = found
  const connection = secret!.reveal()
  return { option, connection, plan: () => make(connection) }
}
