import { expect, test } from 'vitest'
import { BadConnectionString, readConnectionString } from '../../src/users/connection-string.ts'
import { mongoPlan } from '../../src/users/mongo.ts'
import { mysqlPlan } from '../../src/users/mysql.ts'
import { postgresPlan } from '../../src/users/postgres.ts'
import { redisPlan } from '../../src/users/redis.ts'

const KNOWN = ['host', 'port', 'dbname', 'user', 'password', 'connect_timeout']

test.each([
  ['host=db dbname=turn', { host: 'db', dbname: 'turn' }],
  [
    '  ip=127.0.0.1   db=2 pwd=x=y p=6379 timeout=30 ',
    { host: '127.0.0.1', dbname: '2', password: 'x=y', port: '6379', connect_timeout: '30' },
  ],
  ['HOST = db user = turn', { host: 'db', user: 'turn' }],
  ["password='two words' host=db", { password: 'two words', host: 'db' }],
  [String.raw`password='it\'s \\ here'`, { password: String.raw`it's \ here` }],
  ["password='' host=db", { password: '', host: 'db' }],
  ['password= host=db', { password: '', host: 'db' }],
  ['', {}],
])('%j', (text, values) => {
  expect(readConnectionString(text, KNOWN)).toEqual(values)
})

test.each(['host', 'host=db nonsense', 'hst=db', 'host=db __proto__=x', "password='open host=db"])(
  '%j cannot be meant',
  (text) => {
    expect(() => readConnectionString(text, KNOWN)).toThrow(BadConnectionString)
  },
)

test('SEC-25 no message holds a password', () => {
  for (const text of ['host=db password=hush zzz=hush', 'password=hush hush']) {
    let message = ''
    try {
      readConnectionString(text, KNOWN)
    } catch (error) {
      message = (error as Error).message
    }
    expect(message).not.toBe('')
    expect(message).not.toContain('hush')
  }
})

test.each([
  ['redis-userdb', redisPlan('ip=10.0.0.5 dbname=2 password=x connect_timeout=30'), { host: '10.0.0.5', port: 6379 }],
  [
    'redis-userdb as a URL',
    redisPlan('rediss://turn:p%40ss@[2001:db8::5]:6380/3'),
    { host: '2001:db8::5', port: 6380 },
  ],
  ['redis-userdb without a host', redisPlan('dbname=0'), { host: '127.0.0.1', port: 6379 }],
  ['psql-userdb', postgresPlan('host=db.example.org dbname=coturn user=turn'), { host: 'db.example.org', port: 5432 }],
  [
    'psql-userdb as a URI',
    postgresPlan('postgresql://turn:x@db:5433/coturn?connect_timeout=30'),
    { host: 'db', port: 5433 },
  ],
  ['psql-userdb on a socket', postgresPlan('host=/var/run/postgresql dbname=coturn user=turn'), null],
  [
    'mysql-userdb',
    mysqlPlan('host=db dbname=coturn user=turn password=x port=3307 read_timeout=9', null),
    { host: 'db', port: 3307 },
  ],
  ['mongo-userdb', mongoPlan('mongodb://turn:x@db:27018/coturn?authSource=admin'), { host: 'db', port: 27_018 }],
  ['mongo-userdb of several hosts', mongoPlan('mongodb://one,two:1/coturn'), { host: 'one', port: 27_017 }],
])('TURN-PEER-05 the host of %s is known, so that it can be kept from clients', (_name, { endpoint }, expected) => {
  expect(endpoint).toEqual(expected)
})

test.each([
  ['a port', () => redisPlan('ip=x port=70000')],
  ['a Redis database', () => redisPlan('dbname=turn')],
  ['a MongoDB', () => mongoPlan('db=turn')],
  ['a PostgreSQL', () => postgresPlan('hots=db')],
  ['a MySQL', () => mysqlPlan('host=db zzz=1', null)],
])('%s that cannot be meant is refused', (_name, plan) => {
  expect(plan).toThrow(BadConnectionString)
})
