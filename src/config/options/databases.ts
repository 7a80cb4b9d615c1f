import { applying, type Details, notBuiltYet, type Option, option, refused } from '../option.ts'
import type { Secret } from '../secret.ts'
import { file, optionalSecret } from '../values/text.ts'

const accounts = refused('databases of accounts are not built yet: use user= or static-auth-secret= and take this out')

/** Databases of coturn. Their connection strings hold passwords. */
export const databases = applying('after a restart', {
  userdb: database('SQLite file with accounts', { short: 'b', state: accounts }),
  db: database('Another name of userdb', { state: accounts }),
  'psql-userdb': database('PostgreSQL database with accounts', { short: 'e', state: accounts }),
  'sql-userdb': database('Another name of psql-userdb', { state: accounts }),
  'mysql-userdb': database('MySQL database with accounts', { short: 'M', state: accounts }),
  'mongo-userdb': database('MongoDB database with accounts', { short: 'J', state: accounts }),
  'redis-userdb': database('Redis database with accounts', { short: 'N', state: accounts }),
  'redis-statsdb': database('Redis database for statistics', {
    short: 'O',
    state: notBuiltYet('statistics are at /metrics'),
  }),
  'secret-key-file': option(file, null, 'Key that unseals the MySQL password', {
    state: notBuiltYet('there is no MySQL to log in to'),
  }),
})

function database(help: string, details: Details): Option<Secret | null> {
  return option(optionalSecret('DATABASE'), null, help, details)
}
