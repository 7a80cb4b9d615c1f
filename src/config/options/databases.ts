import { notBuiltYet, option, refused, secretOption } from '../option.ts'
import { file } from '../values.ts'

const accounts = refused('databases of accounts are not built yet: use user= or static-auth-secret= and take this out')

/** Databases of coturn. Their connection strings hold passwords. */
export const databases = {
  userdb: secretOption('SQLite file with accounts', { short: 'b', state: accounts }),
  db: secretOption('Another name of userdb', { state: accounts }),
  'psql-userdb': secretOption('PostgreSQL database with accounts', { short: 'e', state: accounts }),
  'sql-userdb': secretOption('Another name of psql-userdb', { state: accounts }),
  'mysql-userdb': secretOption('MySQL database with accounts', { short: 'M', state: accounts }),
  'mongo-userdb': secretOption('MongoDB database with accounts', { short: 'J', state: accounts }),
  'redis-userdb': secretOption('Redis database with accounts', { short: 'N', state: accounts }),
  'redis-statsdb': secretOption('Redis database for statistics', {
    short: 'O',
    state: notBuiltYet('statistics are at /metrics'),
  }),
  'secret-key-file': option(file, null, 'Key that unseals the MySQL password', {
    state: notBuiltYet('there is no MySQL to log in to'),
  }),
}
