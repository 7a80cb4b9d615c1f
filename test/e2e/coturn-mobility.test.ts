import { afterAll, beforeAll, expect, test } from 'vitest'
import { describeWith } from '../support/peers.ts'
import { startTestServer, type TestServer, testUser } from '../support/server.ts'
import { type EchoPeer, startEchoPeer, uclient } from '../support/turnutils.ts'

const CLIENTS = 2
const MESSAGES = 10

// Not over TLS and DTLS: there it frees the old session twice, and fails with coturn's own server as well.
describeWith(['coturn'], "coturn's client with mobility", () => {
  let echoPeer: EchoPeer
  let server: TestServer

  beforeAll(async () => {
    echoPeer = await startEchoPeer()
    server = await startTestServer({
      // Off unless asked for, as in coturn.
      mobility: true,
      // Its new sockets come to other threads than the old ones.
      'relay-threads': '3',
    })
  })
  afterAll(async () => {
    await server.close()
    await echoPeer.close()
  })

  test.each([
    ['channels over UDP', 'udp', []],
    ['channels over TCP', 'tcp', ['-t']],
    ['Send and Data over UDP', 'udp', ['-s']],
    ['Send and Data over TCP', 'tcp', ['-t', '-s']],
  ] as const)(
    'TURN-MOB-03 TURN-MOB-07 turnutils_uclient -M changes its sockets and loses nothing: %s',
    {
      timeout: 60_000,
    },
    async (_name, over, words) => {
      const before = (await server.counters()).moves.completed
      const { text, ...summary } = await uclient([
        ...['-M', '-c', ...words, '-u', testUser.name, '-w', testUser.password],
        ...['-m', String(CLIENTS), '-n', String(MESSAGES), '-e', '127.0.0.1', '-r', String(echoPeer.port)],
        ...['-p', String(server.ports[over]), '127.0.0.1'],
      ])
      const messages = CLIENTS * MESSAGES
      expect(summary, text).toEqual({ code: 0, sent: messages, received: messages, lost: 0 })
      // At least once in the life of each.
      expect((await server.counters()).moves.completed - before).toBeGreaterThanOrEqual(CLIENTS)
    },
  )
})
