import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, renameSync, rmSync } from 'node:fs'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import pino from 'pino'
import { afterAll, describe, expect, test } from 'vitest'
import { createLog } from '../src/log.ts'
import { openSyslog } from '../src/syslog.ts'

const folder = mkdtempSync(join(tmpdir(), 'webrtc-stack-log-'))
afterAll(() => rmSync(folder, { recursive: true }))

const lines = (path: string) => readFileSync(path, 'utf8').split('\n').filter(Boolean)

describe('createLog', () => {
  test.each([false, true])('SEC-48 one event is one line, whatever the values hold (pretty: %s)', (pretty) => {
    const destination = join(folder, `one-line-${pretty}.log`)
    createLog({ level: 'info', pretty, destination }).info({ username: 'a\r\nb\x1b[31m\x00c\u2028' }, 'request refused')
    const written = readFileSync(destination, 'utf8')
    expect(written.match(/\n/g)).toHaveLength(1)
    expect(written).not.toMatch(/[\r\x00]/)
    expect(written).not.toContain('\x1b[31m\x00')
    expect(written).toContain('a\\r\\nb\\u001b[31m\\u0000c')
  })

  test.each(['password', 'secret', 'credential', 'token', 'key'])('SEC-25 the field %s is redacted', (field) => {
    const destination = join(folder, `redacted-${field}.log`)
    const log = createLog({ level: 'info', pretty: false, destination })
    log.info({ [field]: 'hunter2', user: { [field]: 'hunter2' } }, 'login')
    expect(readFileSync(destination, 'utf8')).not.toContain('hunter2')
    expect(JSON.parse(lines(destination)[0]!)).toMatchObject({ [field]: '[redacted]', level: 'info', msg: 'login' })
  })

  test('a disk without space takes nothing down', () => {
    const log = createLog({ level: 'info', pretty: false, destination: '/dev/full' })
    for (let i = 0; i < 3; i++) expect(() => log.info({}, 'x'.repeat(1_000_000))).not.toThrow()
  })

  test('lines below the level are not written', () => {
    const destination = join(folder, 'level.log')
    const log = createLog({ level: 'warn', pretty: false, destination })
    log.info({}, 'no')
    log.warn({}, 'yes')
    expect(lines(destination).map((line) => JSON.parse(line).msg)).toEqual(['yes'])
  })

  test('after the file was moved away, reopen writes a new one', () => {
    const destination = join(folder, 'moved.log')
    const log = createLog({ level: 'info', pretty: false, destination })
    log.info({}, 'first')
    renameSync(destination, `${destination}.1`)
    log.info({}, 'still the old file')
    log.reopen()
    log.info({}, 'second')
    expect(lines(`${destination}.1`)).toHaveLength(2)
    expect(lines(destination).map((line) => JSON.parse(line).msg)).toEqual(['second'])
  })

  test('a file that cannot be written is an error at once', () => {
    expect(() =>
      createLog({ level: 'info', pretty: false, destination: join(folder, 'level.log', 'below-a-file.log') }),
    ).toThrow()
  })
})

describe('openSyslog', () => {
  test('each line arrives with facility and severity', async () => {
    const collector = createSocket('udp4').bind(0, '127.0.0.1')
    await once(collector, 'listening')
    const { port } = collector.address() as AddressInfo
    const syslog = openSyslog('LOG_LOCAL3', ['--server', '127.0.0.1', '--port', String(port), '--udp', '--rfc3164'])
    const log = pino({}, syslog)
    const arrived: string[] = []
    const both = new Promise<void>((resolve) => {
      collector.on('message', (message) => {
        if (arrived.push(message.toString()) === 2) resolve()
      })
    })
    log.warn('low on ports')
    log.error('out of ports')
    await both
    syslog.close()
    collector.close()
    // local3 is 19; warning is 4, error 3.
    expect(arrived[0]).toMatch(/^<156>.*webrtc-stack.*low on ports/)
    expect(arrived[1]).toMatch(/^<155>.*out of ports/)
  })

  test('without a working logger lines are dropped and nothing breaks', async () => {
    const syslog = openSyslog('LOG_DAEMON', ['--no-such-option'])
    for (let i = 0; i < 10; i++) {
      syslog.write('line\n')
      await new Promise((resolve) => setImmediate(resolve))
    }
    syslog.close()
    expect(syslog.lastLevel).toBe(30)
  })
})
