import { request } from 'node:http'
import { expect, test, vi } from 'vitest'
import { NetworkClient } from '../support/network-client.ts'
import { program } from '../support/program.ts'
import { commandLine } from '../support/server.ts'
import { connectTcp } from '../support/sockets.ts'

/** CSI as one character, a bidi override and isolate, line and paragraph separators, a zero width space. */
const INVISIBLE = '\x9b31m\u202egnp\u2066\u2028\u2029\u200b'
const BARE = /[\x7f-\x9f\u200b\u2028-\u202e\u2066-\u2069]/

test.each(['json', 'pretty'])(
  'SEC-48 names and realms of strangers steer no terminal and hide nothing (log-format=%s)',
  async (format) => {
    // All that is logged of requests, and a form for each reader.
    const running = program.start(commandLine({ 'log-format': format, 'log-min-level': 'debug' }))
    await vi.waitFor(() => expect(running.out).toMatch(/Settings/), { timeout: 15_000 })
    const port = (pattern: RegExp) => Number(pattern.exec(running.out)![1])
    const login = { username: 'u\u202egnp\u2066', password: 'p' }
    const turn = port(/turn:127\.0\.0\.1:(\d+)\?transport=tcp/)
    for (const [from, realm] of [
      ['127.0.0.1', `r${INVISIBLE}`],
      // Of one source a refusal of one kind is logged once a minute.
      ['127.0.0.2', 'e2e.test'],
    ] as const) {
      const client = await (await NetworkClient.tcp({ port: turn, login, from })).greet()
      const { code } = await client.allocate(undefined, { realm })
      expect(code).toBeGreaterThanOrEqual(400)
    }
    // What HTTP brings in: a path, headers, a body that is logged, and a request that is none.
    const http = port(/\bhttp:\/\/127\.0\.0\.1:(\d+)/)
    const event = { type: 'event', request_time_ms: 1, event: { event_type: `e${INVISIBLE}`, event_time_ms: 1 } }
    await fetch(`http://127.0.0.1:${http}/a/`, { method: 'POST', body: JSON.stringify(event) })
    const headers = { 'User-Agent': 'a\x9b31m', 'X-Forwarded-For': '\x9b31m', Origin: 'http://\x9b31m' }
    request({ port: http, host: '127.0.0.1', path: '/r/%C2%9B31m%E2%80%AE', headers }, (response) =>
      response.resume(),
    ).end()
    const { socket } = await connectTcp(http)
    socket.write('GET /\x9b31m HTTP/1.1\r\nHost: \x9b31m\r\n\r\n')

    await vi.waitFor(() => {
      for (const text of ['r\\u009b31m\\u202egnp\\u2066\\u2028\\u2029\\u200b', 'u\\u202egnp\\u2066', 'e\\u009b31m'])
        expect(running.err).toContain(text)
    })
    running.kill('SIGTERM')
    await running.ended
    expect(running.err).not.toMatch(BARE)
    expect(running.out).not.toMatch(BARE)
  },
)
