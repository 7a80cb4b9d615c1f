import { applying, type Details, notBuiltYet, type Option, option } from '../option.ts'
import type { Secret } from '../secret.ts'
import { integer } from '../values/numbers.ts'
import { file, optionalSecret } from '../values/text.ts'

/** Databases of coturn, with its own tables and keys. Their connection strings hold passwords; the last of them counts. */
export const databases = applying('after a restart', {
  userdb: database('SQLite file with accounts', { short: 'b' }),
  db: database('Another name of userdb'),
  'psql-userdb': database('PostgreSQL database with accounts', { short: 'e' }),
  'sql-userdb': database('Another name of psql-userdb'),
  'mysql-userdb': database('MySQL database with accounts', { short: 'M' }),
  'mongo-userdb': database('MongoDB database with accounts', { short: 'J' }),
  'redis-userdb': database('Redis database with accounts', { short: 'N' }),
  'redis-statsdb': database('Redis database for statistics', {
    short: 'O',
    state: notBuiltYet('statistics are at /metrics'),
  }),
  'account-cache-seconds': option(
    integer('SECONDS', 2, 86_400),
    60,
    'How long what a database says of an account is good',
  ),
  'secret-key-file': option(file, null, '16 bytes that unseal the password of mysql-userdb'),
})

function database(help: string, details: Details = {}): Option<Secret | null> {
  return option(optionalSecret('DATABASE'), null, help, details)
}
