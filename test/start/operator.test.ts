import { existsSync, mkdtempSync, rmSync, statSync } from 'node:fs'
import { request } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, onTestFinished, test } from 'vitest'
import { findOperatorSocket } from '../../src/config/load.ts'
import { firstWritable, operatorSocketPlaces } from '../../src/config/operator-socket.ts'
import type { Config } from '../../src/config/options.ts'
import type { Log } from '../../src/log.ts'
import type { Operations } from '../../src/operator/operations.ts'
import { openOperator } from '../../src/start/operator.ts'

function folder(): string {
  const path = mkdtempSync(join(tmpdir(), 'webrtc-stack-start-'))
  onTestFinished(() => rmSync(path, { recursive: true, force: true }))
  return path
}

/** Opens a socket for a server that answers its name, and keeps what the log is told. */
async function open(path: string | false | null, name = '') {
  const lines: { level: string; message: string; fields: Record<string, unknown> }[] = []
  const write = (level: string) => (fields: Record<string, unknown>, message: string) =>
    void lines.push({ level, message, fields })
  const log = { info: write('info'), warn: write('warn'), error: write('error') } as unknown as Log
  const config = { 'operator-socket': path } as Config
  const listener = await openOperator(config, { status: () => ({ name }) } as unknown as Operations, log)
  if (listener !== null) onTestFinished(() => listener.close())
  return { listener, lines }
}

const status = (socketPath: string): Promise<string> =>
  new Promise((resolve, reject) => {
    const asked = request({ socketPath, path: '/v1/status' }, (answer) =>
      answer.on('data', (part) => resolve(`${part}`)),
    )
    asked.on('error', reject).end()
  })

describe("the operator's socket of a server", () => {
  test('is made in a folder of its own, which is for this user alone', async () => {
    const path = join(folder(), 'run', 'operator.sock')
    const { listener } = await open(path, 'one')
    expect(statSync(join(path, '..')).mode & 0o777).toBe(0o700)
    expect(listener?.files).toEqual([path, join(path, '..')])
    expect(await status(path)).toBe('{"name":"one"}')
  })

  test('is not that of another server on this machine, which goes on; the second says so and goes on without', async () => {
    const path = join(folder(), 'operator.sock')
    await open(path, 'one')
    const { listener, lines } = await open(path, 'two')
    expect(listener).toBeNull()
    expect(lines).toEqual([
      {
        level: 'warn',
        message: 'no operator socket: it cannot be made there',
        fields: { path, code: 'EADDRINUSE', fix: expect.stringContaining('operator-socket=FILE') },
      },
    ])
    expect(await status(path)).toBe('{"name":"one"}')
    await (await open(join(path, '..', 'other.sock'), 'two')).listener?.close()
    expect(existsSync(path)).toBe(true)
  })

  test.each([
    ['a path that is too long', join(tmpdir(), 'x'.repeat(120), 'operator.sock')],
    ['a folder that is a file', '/etc/hostname/operator.sock'],
  ])('%s stops nothing, and is said with the way out', async (_, path) => {
    const { listener, lines } = await open(path)
    expect(listener).toBeNull()
    expect(lines).toMatchObject([{ level: 'warn', fields: { path, fix: expect.stringContaining('operator-socket=') } }])
    expect(existsSync(path)).toBe(false)
  })

  test('is missed with one line where there is no place for it, and with none where nobody wants it', async () => {
    expect((await open(null)).lines).toMatchObject([{ level: 'info', fields: { fix: expect.any(String) } }])
    expect((await open(false)).lines).toEqual([])
  })
})

describe('its usual place', () => {
  test("is the unit's folder, then the machine's, then the user's", () => {
    expect(operatorSocketPlaces({ RUNTIME_DIRECTORY: '/run/x:/run/y', XDG_RUNTIME_DIR: '/run/user/7' })).toEqual([
      '/run/x/operator.sock',
      '/run/webrtc-stack/operator.sock',
      '/run/user/7/webrtc-stack/operator.sock',
    ])
    expect(operatorSocketPlaces({})).toEqual(['/run/webrtc-stack/operator.sock'])
  })

  test('is one that can be written, or made', () => {
    const here = folder()
    const places = [
      '/etc/hostname/nowhere/operator.sock',
      join(here, 'made', 'operator.sock'),
      join(here, 'operator.sock'),
    ]
    expect(firstWritable(places)).toBe(places[1])
    expect(firstWritable([places[0]!])).toBeNull()
  })

  test('is where commands look, unless somebody has named another', () => {
    const surroundings = { environment: {}, directory: folder(), programDirectory: '/' }
    const asked = (environment: Record<string, string>, text?: string) => {
      const flag = {
        name: 'operator-socket',
        text: text ?? null,
        origin: { source: 'flag', flag: '--operator-socket' },
      } as const
      const settings = text === undefined ? [] : [flag]
      return findOperatorSocket({ settings, file: false }, { ...surroundings, environment })
    }
    expect(asked({})).toEqual(['/run/webrtc-stack/operator.sock'])
    expect(asked({ WEBRTC_STACK_OPERATOR_SOCKET: '/tmp/a' })).toEqual(['/tmp/a'])
    expect(asked({ WEBRTC_STACK_OPERATOR_SOCKET: '/tmp/a' }, '/tmp/b')).toEqual(['/tmp/b'])
    expect(asked({}, 'off')).toEqual([])
  })
})
