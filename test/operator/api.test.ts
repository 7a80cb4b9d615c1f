import { once } from 'node:events'
import { existsSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { request } from 'node:http'
import { connect, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, onTestFinished, test, vi } from 'vitest'
import { operatorApi } from '../../src/operator/api.ts'
import { EventQueue } from '../../src/operator/events.ts'
import { type OperatedServer, Operations } from '../../src/operator/operations.ts'
import type { LogLevel, ReloadReport } from '../../src/operator/reports.ts'
import { OperatorSocket } from '../../src/operator/socket.ts'
import type { EndedSession } from '../../src/turn/sessions/ended-session.ts'
import { inMemory, RecordedRooms } from '../rooms/recorder.ts'
import { BOB, TurnWorld } from '../support/turn-world.ts'

/** A server with the parts that the routes need, and what was done to it. */
function server(changes: Partial<OperatedServer> = {}) {
  const world = new TurnWorld()
  const calls: string[] = []
  const events = new EventQueue('run', () => Date.parse('2026-01-01T00:00:00Z'))
  let level: LogLevel = 'info'
  const operated: OperatedServer = {
    sessions: {
      threads: 1,
      sessions: async (_, question) => structuredClone(world.server.sessions.answer(question, world.now)),
    },
    rooms: null,
    report: () => ({
      version: '1',
      node: '20',
      pid: 7,
      startedAt: '2026-01-01T00:00:00.000Z',
      uptimeSeconds: 1,
      ready: true,
      unreadyBecause: null,
      listeners: [],
      turn: null,
      rooms: null,
      lastReload: { isGood: true, configurationReadAt: '2026-01-01T00:00:00.000Z' },
    }),
    reload: async () => ({ isGood: true, applied: ['user'], afterRestart: [], certificate: 'same' }),
    drain: (on) => void calls.push(on ? 'drain' : 'undrain'),
    get logLevel() {
      return level
    },
    set logLevel(wanted) {
      level = wanted
    },
    certificates: () => [],
    wallClock: () => Date.parse('2026-01-01T00:00:00Z'),
    ...changes,
  }
  return { world, calls, operations: new Operations(operated, events), events }
}

function temporary(): string {
  const folder = mkdtempSync(join(tmpdir(), 'webrtc-stack-operator-'))
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
  return join(folder, 'operator.sock')
}

async function serving(changes: Partial<OperatedServer> = {}) {
  const path = temporary()
  const made = server(changes)
  const bugs: unknown[] = []
  const failed = (error: unknown) => void bugs.push(error)
  const socket = await OperatorSocket.open(path, async () => operatorApi(made.operations, failed), failed)
  onTestFinished(() => socket.close())
  return { ...made, path, socket, bugs, ask: asking(path) }
}

interface Answer {
  readonly status: number
  readonly body: Record<string, unknown> & { readonly error?: { code: string; message: string; fix: string } }
}

const asking =
  (socketPath: string) =>
  (method: string, path: string, body?: string | object): Promise<Answer> =>
    new Promise((resolve, reject) => {
      const asked = request({ socketPath, method, path }, (answer) => {
        let text = ''
        answer.on('data', (part) => {
          text += part
        })
        answer.on('end', () => resolve({ status: answer.statusCode!, body: JSON.parse(text || '{}') }))
      })
      asked.on('error', reject)
      asked.end(typeof body === 'object' ? JSON.stringify(body) : body)
    })

describe('routes', () => {
  test('sessions are listed, shown and ended', async () => {
    const { world, ask } = await serving()
    for (const client of [world.client(), world.client(BOB, 'tcp')]) client.allocate()
    const first = await ask('GET', '/v1/sessions?limit=1')
    expect(first).toMatchObject({ status: 200, body: { sessions: [{ username: 'alice' }], silentThreads: [] } })
    const second = await ask('GET', `/v1/sessions?limit=1&cursor=${first.body['cursor']}`)
    expect(second).toMatchObject({ body: { sessions: [{ username: 'bob', transport: 'tcp', thread: 0 }] } })
    const { id } = (second.body['sessions'] as [{ id: string }])[0]
    expect(await ask('GET', '/v1/sessions?transport=tcp&olderThanSeconds=0')).toMatchObject({
      body: { sessions: [{ id }], cursor: null },
    })
    expect(await ask('GET', `/v1/sessions/${id}`)).toMatchObject({ status: 200, body: { id, more: { mobile: false } } })
    expect(await ask('POST', '/v1/disconnect', { id, reason: 'abuse' })).toMatchObject({ body: { ended: 1 } })
    expect(await ask('GET', `/v1/sessions/${id}`)).toMatchObject({
      status: 404,
      body: { error: { code: 'not-found' } },
    })
    expect(await ask('POST', '/v1/disconnect', { id })).toMatchObject({ status: 404 })
    expect(await ask('POST', '/v1/disconnect', { username: 'bob' })).toMatchObject({ body: { ended: 0 } })
  })

  test('rooms are listed and closed', async () => {
    const rooms = new RecordedRooms(inMemory)
    const { ask } = await serving({ rooms })
    await rooms.join('garden', '11111111', false, 0)
    expect(await ask('GET', '/v1/rooms')).toMatchObject({ body: { rooms: [{ name: 'garden' }], cursor: null } })
    expect(await ask('POST', '/v1/close-room', { room: 'garden', reason: 'noise' })).toEqual({
      status: 200,
      body: { clients: 1 },
    })
    expect(await ask('POST', '/v1/close-room', { room: 'garden' })).toMatchObject({ status: 404 })
    expect(rooms.size).toBe(0)
  })

  test('a drain with and without a deadline is in the status, and taken back', async () => {
    const { calls, ask } = await serving()
    expect(await ask('POST', '/v1/drain')).toEqual({
      status: 200,
      body: { since: '2026-01-01T00:00:00.000Z', deadline: null, isOver: false },
    })
    expect(await ask('POST', '/v1/drain', { deadlineSeconds: 600 })).toMatchObject({
      body: { deadline: '2026-01-01T00:10:00.000Z' },
    })
    expect(await ask('GET', '/v1/status')).toMatchObject({
      body: { draining: { deadline: '2026-01-01T00:10:00.000Z' }, logLevel: 'info' },
    })
    expect(await ask('POST', '/v1/undrain')).toEqual({ status: 200, body: {} })
    expect(await ask('GET', '/v1/status')).toMatchObject({ body: { draining: null } })
    expect(calls).toEqual(['drain', 'drain', 'undrain'])
  })

  test('a reload says what has changed, or every problem with file, line and fix', async () => {
    const problem = { file: 'turnserver.conf', line: 3, key: 'usr', message: 'unknown key "usr"', fix: 'user?' }
    const answers: ReloadReport[] = [
      { isGood: true, applied: ['user'], afterRestart: ['min-port'], certificate: 'new' },
      { isGood: false, problems: [problem] },
    ]
    const { ask } = await serving({ reload: async () => answers.shift()! })
    expect(await ask('POST', '/v1/reload')).toEqual({
      status: 200,
      body: { applied: ['user'], afterRestart: ['min-port'], certificate: 'new' },
    })
    expect(await ask('POST', '/v1/reload')).toMatchObject({
      status: 422,
      body: { error: { code: 'reload-refused', problems: [problem] } },
    })
  })

  test('the log level is told and changed', async () => {
    const { ask } = await serving()
    expect(await ask('PUT', '/v1/log-level', { level: 'warning' })).toEqual({ status: 200, body: { level: 'warning' } })
    expect(await ask('GET', '/v1/log-level')).toEqual({ status: 200, body: { level: 'warning' } })
    expect(await ask('GET', '/v1/certificates')).toEqual({ status: 200, body: { certificates: [] } })
  })

  test('what is switched off says so', async () => {
    const { ask } = await serving({ sessions: null })
    for (const path of ['/v1/sessions', '/v1/sessions/x', '/v1/rooms'])
      expect(await ask('GET', path)).toMatchObject({ status: 409, body: { error: { code: 'not-running' } } })
  })
})

describe('events', () => {
  const session = { id: 'a', username: 'alice' } as unknown as EndedSession

  /** A stream of them: what has come so far, and how to end it. */
  function stream(socketPath: string, query = '') {
    const lines: Record<string, unknown>[] = []
    let rest = ''
    const asked = request({ socketPath, path: `/v1/events${query}` })
    const ended = new Promise<number>((resolve) =>
      asked.on('response', (answer) => {
        answer.on('data', (part) => {
          const texts = (rest + part).split('\n')
          rest = texts.pop()!
          lines.push(...texts.map((text) => JSON.parse(text)))
        })
        answer.on('close', () => resolve(answer.statusCode!))
      }),
    )
    asked.on('error', () => {})
    asked.end()
    onTestFinished(() => void asked.destroy())
    return { lines, ended, leave: () => asked.destroy() }
  }

  test('stream as they come, from where the reader has been, until the server stops', async () => {
    const { events, path } = await serving()
    events.ended(session, 1)
    const all = stream(path)
    await vi.waitFor(() => expect(all.lines).toHaveLength(1))
    const later = stream(path, '?after=run-1')
    const other = stream(path, '?after=other-1')
    events.ended({ ...session, id: 'b' }, 0)
    await vi.waitFor(() => expect(later.lines).toMatchObject([{ id: 'run-2', thread: 0, session: { id: 'b' } }]))
    await vi.waitFor(() => expect(all.lines).toHaveLength(2))
    await vi.waitFor(() => expect(other.lines).toHaveLength(3))
    expect(other.lines[0]).toEqual({ type: 'gap', missed: null })
    events.ended({ ...session, id: 'c' }, 0)
    events.close()
    expect(await Promise.all([all.ended, later.ended, other.ended])).toEqual([200, 200, 200])
    expect(later.lines).toHaveLength(2)
  })

  test('end at once for who does not follow', async () => {
    const { events, path } = await serving()
    events.ended(session, 1)
    const { lines, ended } = stream(path, '?follow=false')
    await ended
    expect(lines).toMatchObject([{ id: 'run-1' }])
  })

  test('have few readers at a time, and one that leaves makes room', async () => {
    const { path, ask } = await serving()
    const open = Array.from({ length: 16 }, () => stream(path))
    await vi.waitFor(async () => expect((await ask('GET', '/v1/events')).status).toBe(429))
    open[0]!.leave()
    await vi.waitFor(async () => expect((await ask('GET', '/v1/events?follow=false')).status).toBe(200))
  })

  test('a reader that reads nothing holds nobody up, and is told what it has missed', async () => {
    const { events, path, ask } = await serving()
    const socket = connect(path)
    onTestFinished(() => void socket.destroy())
    socket.pause()
    socket.write('GET /v1/events HTTP/1.1\r\nHost: x\r\n\r\n')
    const long = 'x'.repeat(1000)
    for (let round = 0; round < 40; round++) {
      for (let i = 0; i < 500; i++) events.ended({ ...session, username: long }, 0)
      expect((await ask('GET', '/v1/status')).status).toBe(200)
    }
    let text = ''
    socket.on('data', (part) => {
      text += part
    })
    socket.resume()
    await vi.waitFor(() => expect(text).toMatch(/"type":"gap","missed":\d+/), 10_000)
    await vi.waitFor(() => expect(text).toContain('"run-20000"'), 10_000)
  })
})

describe('input that is wrong', () => {
  test.each<[string, string, string | object | undefined, number, RegExp]>([
    ['GET', '/v1/nothing', undefined, 404, /no such address/],
    ['GET', '/', undefined, 404, /no such address/],
    ['DELETE', '/v1/status', undefined, 405, /not asked for with DELETE/],
    ['GET', '/v1/reload', undefined, 405, /GET/],
    ['GET', '/v1/sessions?limit=0', undefined, 400, /"limit"/],
    ['GET', '/v1/sessions?limit=1001', undefined, 400, /"limit"/],
    ['GET', '/v1/sessions?limit=x', undefined, 400, /"limit"/],
    ['GET', '/v1/sessions?address=nowhere', undefined, 400, /"address": "nowhere" is not an address/],
    ['GET', '/v1/sessions?peer=1.2.3.4:99999', undefined, 400, /"peer"/],
    ['GET', '/v1/sessions?transport=sctp', undefined, 400, /"transport"/],
    ['GET', '/v1/sessions?olderThanSeconds=-1', undefined, 400, /"olderThanSeconds"/],
    ['GET', '/v1/sessions?user=alice', undefined, 400, /user/],
    ['GET', '/v1/sessions?cursor=hello', undefined, 400, /no cursor/],
    ['GET', `/v1/sessions?username=${'a'.repeat(600)}`, undefined, 400, /"username"/],
    ['GET', '/v1/sessions/%ff', undefined, 404, /no session/],
    ['POST', '/v1/disconnect', '', 400, /nothing of whom/],
    ['POST', '/v1/disconnect', { reason: 'all of them' }, 400, /nothing of whom/],
    ['POST', '/v1/disconnect', { username: 7 }, 400, /"username"/],
    ['POST', '/v1/disconnect', { username: 'a', reason: 'x'.repeat(201) }, 400, /"reason"/],
    ['POST', '/v1/disconnect', '{"username":', 400, /not JSON/],
    ['POST', '/v1/disconnect', '[]', 400, /./],
    ['POST', '/v1/disconnect', 'null', 400, /./],
    ['POST', '/v1/disconnect', '{"__proto__":{"username":"alice"}}', 400, /./],
    ['GET', '/v1/events?follow=maybe', undefined, 400, /"follow"/],
    ['POST', '/v1/drain', { deadlineSeconds: '10' }, 400, /"deadlineSeconds"/],
    ['POST', '/v1/drain', { deadlineSeconds: 1e12 }, 400, /"deadlineSeconds"/],
    ['POST', '/v1/reload', { file: '/etc/passwd' }, 400, /file/],
    ['PUT', '/v1/log-level', { level: 'silent' }, 400, /"level"/],
    ['POST', '/v1/disconnect', 'x'.repeat(70_000), 413, /65536/],
  ])('%s %s with %s is answered %i', async (method, path, body, status, message) => {
    const { ask, bugs } = await serving()
    const answer = await ask(method, path, body)
    expect(answer.body.error?.message).toMatch(message)
    expect(answer).toMatchObject({ status, body: { error: { code: expect.any(String), fix: expect.any(String) } } })
    expect(bugs).toEqual([])
  })

  test('a bug is told to the log, and nothing of it to who asked', async () => {
    const broken = new Error('inner secret')
    const { ask, bugs } = await serving({
      report: () => {
        throw broken
      },
    })
    const { status, body } = await ask('GET', '/v1/status')
    expect([status, body.error?.code]).toEqual([500, 'internal'])
    expect(JSON.stringify(body)).not.toContain('inner secret')
    expect(bugs).toEqual([broken])
  })

  test('bytes that are no HTTP, and connections that say nothing, hold nobody up', async () => {
    const { ask, path, bugs } = await serving()
    const noise = [
      '\0\0\0\0',
      'GET / HTTP/9.9\r\n\r\n',
      'GET /%%% HTTP/1.1\r\n\r\n',
      `GET /${'a'.repeat(50_000)} `,
      'POST ',
    ]
    for (const text of noise) {
      const socket = connect(path)
      socket.on('error', () => {})
      socket.write(text)
      onTestFinished(() => void socket.destroy())
    }
    expect((await ask('GET', '/v1/status')).status).toBe(200)
    expect(bugs).toEqual([])
  })
})

describe('the socket', () => {
  test('SEC-59 is for this user alone from the first moment, and gone with the server', async () => {
    const path = temporary()
    const before = process.umask(0)
    onTestFinished(() => void process.umask(before))
    const opening = OperatorSocket.open(
      path,
      async () => operatorApi(server().operations, () => {}),
      () => {},
    )
    // It is there already, and nobody else has had a moment.
    expect(statSync(path).mode & 0o777).toBe(0o600)
    expect(process.umask()).toBe(0)
    const socket = await opening
    expect(statSync(path).mode & 0o777).toBe(0o600)
    await socket.close()
    expect(existsSync(path)).toBe(false)
  })

  test('takes the place of what a dead server has left', async () => {
    const path = temporary()
    // A socket file outlives its process: nobody listens there.
    const { spawnSync } = await import('node:child_process')
    const script = `require('net').createServer().listen(${JSON.stringify(path)}, () => process.kill(process.pid, 'SIGKILL'))`
    spawnSync(process.execPath, ['-e', script])
    expect(statSync(path).isSocket()).toBe(true)
    const socket = await OperatorSocket.open(
      path,
      async () => operatorApi(server().operations, () => {}),
      () => {},
    )
    expect((await asking(path)('GET', '/v1/status')).status).toBe(200)
    await socket.close()
  })

  test('takes no place of a living server, nor of another file', async () => {
    const { path, ask } = await serving()
    const again = () =>
      OperatorSocket.open(
        path,
        async () => operatorApi(server().operations, () => {}),
        () => {},
      )
    await expect(again()).rejects.toMatchObject({ code: 'EADDRINUSE' })
    expect((await ask('GET', '/v1/status')).status).toBe(200)
    const file = `${path}.txt`
    writeFileSync(file, 'precious')
    const onFile = OperatorSocket.open(
      file,
      async () => operatorApi(server().operations, () => {}),
      () => {},
    )
    await expect(onFile).rejects.toMatchObject({ code: 'EADDRINUSE' })
    expect(existsSync(file)).toBe(true)
    // One that listens and accepts nothing is alive, too.
    const deaf = createServer({ pauseOnConnect: true }).listen(`${path}.deaf`)
    await once(deaf, 'listening')
    onTestFinished(() => void deaf.close())
    const onDeaf = OperatorSocket.open(
      `${path}.deaf`,
      async () => operatorApi(server().operations, () => {}),
      () => {},
    )
    await expect(onDeaf).rejects.toMatchObject({ code: 'EADDRINUSE' })
  })
})
