import { renameSync } from 'node:fs'
import { DatabaseSync } from '@photostructure/sqlite'
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest'
import { longTermKey } from '../../src/stun/integrity.ts'
import type { AccountDatabase, DatabasePlan } from '../../src/users/account-database.ts'
import { mongoPlan } from '../../src/users/mongo.ts'
import { mysqlPlan } from '../../src/users/mysql.ts'
import { postgresPlan } from '../../src/users/postgres.ts'
import { redisPlan } from '../../src/users/redis.ts'
import { sqlitePlan } from '../../src/users/sqlite.ts'
import { databases, type TestDatabase } from '../support/databases.ts'
import { describeWith } from '../support/peers.ts'
import { freePort } from '../support/sockets.ts'

const REALM = 'north.gov'
const PLANS: Readonly<Record<string, (connection: string) => DatabasePlan>> = {
  userdb: sqlitePlan,
  'redis-userdb': redisPlan,
  'psql-userdb': postgresPlan,
  'mysql-userdb': (connection) => mysqlPlan(connection, null),
}

/** What somebody might call himself to be taken for a part of a statement, a pattern or a path. */
const ODD_NAMES = [
  "o'hara",
  "' OR '1'='1",
  '" OR ""="',
  '%s%n%x',
  'gor_t',
  'gors%',
  '*',
  'gorst/key',
  '../../admin_user/root',
  '$ne',
  '{"$ne":null}',
  '\\',
  '; DROP TABLE turnusers_lt; --',
  '名前',
  '🦊',
]

for (const { name, option, needs, open } of databases) {
  describeWith(needs, `${name}, as coturn's turnadmin fills it`, () => {
    let server: TestDatabase
    let database: AccountDatabase

    beforeAll(async () => {
      server = await open()
      database = await PLANS[option]!(server.connection).open()
    })
    afterAll(async () => {
      await database?.close()
      await server?.close()
    })

    test('AUTH-USER-04 an account is found by its name and realm, and by nothing else', async () => {
      server.turnadmin('-a', '-u', 'gorst', '-r', REALM, '-p', 'hero')
      expect(await database.key('gorst', REALM)).toBe('7da2270ccfa49786e0115366d3a3d14d')
      for (const [other, realm] of [
        ['gorst', 'south.gov'],
        ['Gorst', REALM],
        ['gorst ', REALM],
        ['gors', REALM],
        ['', REALM],
        ['gorst', ''],
      ] as const) {
        expect(await database.key(other, realm), `${other} in ${realm}`).toBeNull()
      }
    })

    test.each(ODD_NAMES)('SEC-24 AUTH-USER-07 %j is a name and nothing else', async (odd) => {
      expect(await database.key(odd, REALM)).toBeNull()
      expect(await database.key('gorst', odd)).toBeNull()
      expect(await database.key('gorst', REALM)).not.toBeNull()
    })

    test('SEC-24 an account may have such a name, and then it is found by that alone', async () => {
      // turnadmin itself makes formats and statements of names like these.
      const key = longTermKey('gor%t', REALM, 'hero').toString('hex')
      if (option === 'redis-userdb') server.execute('SET', `turn/realm/${REALM}/user/gor%t/key`, key)
      else server.execute(`INSERT INTO turnusers_lt (realm, name, hmackey) VALUES ('${REALM}', 'gor%t', '${key}')`)
      expect(await database.key('gor%t', REALM)).toBe(key)
      expect(await database.key('gorst', REALM)).not.toBe(key)
    })

    test('an account has another key when its password is changed, and none when it is deleted', async () => {
      server.turnadmin('-a', '-u', 'ninefingers', '-r', REALM, '-p', 'youhavetoberealistic')
      expect(await database.key('ninefingers', REALM)).toBe('bc807ee29df3c9ffa736523fb2c4e8ee')
      server.turnadmin('-a', '-u', 'ninefingers', '-r', REALM, '-p', 'other')
      expect(await database.key('ninefingers', REALM)).toBe(longTermKey('ninefingers', REALM, 'other').toString('hex'))
      server.turnadmin('-d', '-u', 'ninefingers', '-r', REALM)
      expect(await database.key('ninefingers', REALM)).toBeNull()
    })

    test('AUTH-REST-05 secrets of the realm come and go', async () => {
      expect((await database.settings(REALM)).secrets).toEqual([])
      server.turnadmin('-s', 'one-secret', '-r', REALM)
      server.turnadmin('-s', 'another-secret', '-r', REALM)
      server.turnadmin('-s', 'of-others', '-r', 'south.gov')
      expect((await database.settings(REALM)).secrets.toSorted()).toEqual(['another-secret', 'one-secret'])
      server.turnadmin('-X', 'one-secret', '-r', REALM)
      expect((await database.settings(REALM)).secrets).toEqual(['another-secret'])
    })

    test('options of the realm', async () => {
      expect((await database.settings(REALM)).options).toEqual({})
      server.turnadmin('-g', '-r', REALM, '--max-bps=50000', '--user-quota=3', '--total-quota=40')
      server.turnadmin('-g', '-r', 'south.gov', '--user-quota=9')
      expect((await database.settings(REALM)).options).toEqual({
        'max-bps': '50000',
        'user-quota': '3',
        'total-quota': '40',
      })
    })

    test('peers of the realm, and of none', async () => {
      const add = (kind: 'allowed' | 'denied', realm: string, range: string) =>
        server.execute(
          ...(option === 'redis-userdb'
            ? ['SADD', `turn/realm/${realm}/${kind}-peer-ip`, range]
            : [`INSERT INTO ${kind}_peer_ip (realm, ip_range) VALUES ('${realm}', '${range}')`]),
        )
      add('denied', REALM, '172.17.13.133')
      add('denied', '', '172.17.14.0-172.17.14.255')
      add('denied', 'south.gov', '10.0.0.1')
      add('allowed', REALM, '172.17.13.200')
      const { allowedPeers, deniedPeers } = await database.settings(REALM)
      expect(deniedPeers.toSorted()).toEqual(['172.17.13.133', '172.17.14.0-172.17.14.255'])
      expect(allowedPeers).toEqual(['172.17.13.200'])
    })

    test('a key of third-party authorisation', async () => {
      const fields = {
        ikm_key: 'b25lIGtleQ==',
        timestamp: '1700000000',
        lifetime: '3600',
        as_rs_alg: 'A256GCM',
        realm: 'x',
      }
      if (option === 'redis-userdb') server.execute('HSET', 'turn/oauth/kid/north', ...Object.entries(fields).flat())
      else {
        const values = Object.values({ kid: 'north', ...fields }).map((value) => `'${value}'`)
        server.execute(`INSERT INTO oauth_key (kid, ${Object.keys(fields).join(', ')}) VALUES (${values.join(', ')})`)
      }
      expect(await database.oauthKey('north')).toEqual({
        kid: 'north',
        key: 'b25lIGtleQ==',
        timestamp: 1_700_000_000,
        lifetimeSeconds: 3600,
        algorithm: 'A256GCM',
        realm: 'x',
      })
      expect(await database.oauthKey('south')).toBeNull()
    })

    test('SEC-57 a database that is gone fails questions, and answers again when it is back', async () => {
      await server.stop()
      await expect(database.settings(REALM)).rejects.toThrow()
      await server.start()
      await expect
        .poll(() => database.key('gorst', REALM).catch(() => 'not yet'), { timeout: 15_000 })
        .toBe('7da2270ccfa49786e0115366d3a3d14d')
    })

    test('a database without any tables has no settings, as an older one has fewer', async () => {
      if (option === 'redis-userdb') server.execute('FLUSHDB')
      else
        for (const table of ['turn_secret', 'turn_realm_option', 'allowed_peer_ip', 'denied_peer_ip', 'oauth_key']) {
          server.execute(`DROP TABLE ${table}`)
        }
      expect(await database.settings(REALM)).toEqual({ secrets: [], options: {}, allowedPeers: [], deniedPeers: [] })
      expect(await database.oauthKey('north')).toBeNull()
    })
  })
}

describeWith(['coturn'], 'a SQLite file', () => {
  test('that somebody is writing to is asked again until that is over', async () => {
    const server = await databases[0]!.open()
    const database = await sqlitePlan(server.connection).open()
    onTestFinished(async () => {
      await database.close()
      await server.close()
    })
    server.turnadmin('-a', '-u', 'gorst', '-r', REALM, '-p', 'hero')
    const writer = new DatabaseSync(server.connection)
    writer.exec('BEGIN EXCLUSIVE')
    const key = database.key('gorst', REALM)
    setTimeout(() => {
      writer.exec('COMMIT')
      writer.close()
    }, 200)
    expect(await key).toBe('7da2270ccfa49786e0115366d3a3d14d')
  })

  test('that takes the place of another is the one that is read', async () => {
    const [server, other] = await Promise.all([databases[0]!.open(), databases[0]!.open()])
    const database = await sqlitePlan(server.connection).open()
    onTestFinished(async () => {
      await database.close()
      await server.close()
      await other.close()
    })
    expect((await database.settings(REALM)).secrets).toEqual([])
    other.turnadmin('-s', 'of-the-other', '-r', REALM)
    renameSync(other.connection, server.connection)
    expect((await database.settings(REALM)).secrets).toEqual(['of-the-other'])
  })
})

test('SEC-57 a MongoDB that is not there fails questions within its time', async () => {
  const database = await mongoPlan(`mongodb://turn:x@127.0.0.1:${await freePort()}/coturn`).open()
  onTestFinished(() => database.close())
  await expect(database.key('gorst', REALM)).rejects.toThrow(/ECONNREFUSED/)
  await expect(database.settings(REALM)).rejects.toThrow(/ECONNREFUSED/)
})
