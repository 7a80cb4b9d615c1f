import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, constants, mkdtempSync, openSync, readSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, onTestFinished, test, vi } from 'vitest'
import { WebSocket } from 'ws'

const binary = fileURLToPath(new URL('../../bin/webrtc-stack.js', import.meta.url))
/** 65 KiB are what a pipe holds. */
const NOISE = 'x'.repeat(15_000)
const LINES = 150

/** A named pipe that is open at both ends, so that it can be full. */
function pipe(): { readonly path: string; readonly descriptor: number } {
  const folder = mkdtempSync(join(tmpdir(), 'webrtc-stack-pipe-'))
  const path = join(folder, 'pipe')
  execFileSync('mkfifo', [path])
  const descriptor = openSync(path, constants.O_RDWR | constants.O_NONBLOCK)
  onTestFinished(() => {
    closeSync(descriptor)
    rmSync(folder, { recursive: true })
  })
  return { path, descriptor }
}

/** What is in it. */
function read(descriptor: number): string {
  const bytes = Buffer.alloc(1 << 16)
  try {
    return bytes.toString('utf8', 0, readSync(descriptor, bytes))
  } catch (error) {
    expect(error).toMatchObject({ code: 'EAGAIN' })
    return ''
  }
}

async function freePort(): Promise<number> {
  const { createServer } = await import('node:net')
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as { port: number }
  server.close()
  await once(server, 'close')
  return port
}

test.each([
  ['standard error is a pipe', 'stderr'],
  ['standard error is a socket, as under systemd', 'socket'],
  ['the log is standard output and that is a pipe', 'stdout'],
  ['the log is a named pipe', 'log-file'],
])('%s, and nobody reads it: everything goes on, and it ends when asked to', async (_name, where) => {
  const log = pipe()
  const port = await freePort()
  const words = [
    'serve',
    '-n',
    ...['host=127.0.0.1', 'listening-ip=127.0.0.1', 'port=0', 'listening-port=0', `http-port=${port}`],
    // A line for each event of a page is what fills it here.
    'log-min-level=debug',
    ...(where === 'stdout' ? ['log-file=stdout'] : []),
    ...(where === 'log-file' ? [`log-file=${log.path}`] : []),
  ].map((word) => (word.includes('=') ? `--${word}` : word))
  const child = spawn(process.execPath, [binary, ...words], {
    stdio: [
      'ignore',
      where === 'stdout' ? log.descriptor : 'ignore',
      // Node makes sockets for what it calls pipes.
      where === 'socket' ? 'pipe' : where === 'stderr' ? log.descriptor : 'ignore',
    ],
    env: { PATH: process.env['PATH'] },
  })
  onTestFinished(() => void child.kill('SIGKILL'))
  const url = `http://127.0.0.1:${port}`
  await vi.waitFor(async () => expect((await fetch(`${url}/healthz`)).status).toBe(200), { timeout: 15_000 })

  const event = { type: 'event', request_time_ms: 1, event: { event_type: NOISE, event_time_ms: 1 } }
  for (let i = 0; i < LINES; i++) {
    const answer = await fetch(`${url}/a/`, { method: 'POST', body: JSON.stringify(event) })
    expect(answer.status).toBe(200)
  }
  const dropped = async () =>
    Number(
      /^webrtc_stack_log_lines_dropped_total\{reason="output"\} (\d+)$/m.exec(
        await (await fetch(`${url}/metrics`)).text(),
      )?.[1],
    )
  expect(await dropped()).toBeGreaterThan(10)

  // Signaling goes on, which takes rooms and sockets.
  const { params } = (await (await fetch(`${url}/join/room`, { method: 'POST' })).json()) as {
    params: { client_id: string }
  }
  const socket = new WebSocket(`ws://127.0.0.1:${port}/ws`, { origin: url })
  onTestFinished(() => socket.terminate())
  await once(socket, 'open')
  socket.send(JSON.stringify({ cmd: 'register', roomid: 'room', clientid: params.client_id }))
  socket.send(JSON.stringify({ cmd: 'register', roomid: 'room', clientid: params.client_id }))
  const [answer] = (await once(socket, 'message')) as [Buffer]
  expect(answer.toString()).toContain('Duplicated register')

  if (where === 'socket') child.stderr!.resume()
  else {
    // It flows again, and the log says what is missing.
    let text = ''
    await vi.waitFor(
      () => {
        text += read(log.descriptor)
        expect(text).toMatch(/"lines":\d+,"msg":"log lines were dropped/)
      },
      { timeout: 10_000, interval: 1 },
    )
    expect(Number(/"lines":(\d+)/.exec(text)![1])).toBe(await dropped())
    // Full once more.
    for (let i = 0; i < LINES; i++) await fetch(`${url}/a/`, { method: 'POST', body: JSON.stringify(event) })
  }
  child.kill('SIGTERM')
  const [code] = await once(child, 'exit')
  expect(code).toBe(0)
})
