import { execFileSync } from 'node:child_process'
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { closeSync, constants, mkdtempSync, openSync, readFileSync, readSync, renameSync, rmSync } from 'node:fs'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import pino from 'pino'
import { afterAll, describe, expect, onTestFinished, test, vi } from 'vitest'
import { createLog } from '../src/log.ts'
import { DescriptorOutput, MAX_WAITING } from '../src/log-output.ts'
import { SyslogOutput } from '../src/syslog.ts'

const folder = mkdtempSync(join(tmpdir(), 'webrtc-stack-log-'))
afterAll(() => rmSync(folder, { recursive: true }))

const lines = (path: string) => readFileSync(path, 'utf8').split('\n').filter(Boolean)

describe('createLog', () => {
  test.each([false, true])('SEC-48 one event is one line, whatever the values hold (pretty: %s)', async (pretty) => {
    const destination = join(folder, `one-line-${pretty}.log`)
    const log = createLog({ level: 'info', pretty, destination })
    log.info({ username: 'a\r\nb\x1b[31m\x00c\u2028' }, 'request refused')
    await log.output.written(1000)
    const written = readFileSync(destination, 'utf8')
    expect(written.match(/\n/g)).toHaveLength(1)
    expect(written).not.toMatch(/[\r\x00]/)
    expect(written).not.toContain('\x1b[31m\x00')
    expect(written).toContain('a\\r\\nb\\u001b[31m\\u0000c\\u2028')
  })

  test.each([
    ['a C1 control that terminals obey like ESC [', '\x9b31m', '\\u009b31m'],
    ['DEL', '\x7f', '\\u007f'],
    ['a bidi override', '\u202e', '\\u202e'],
    ['a bidi isolate', '\u2067', '\\u2067'],
    ['the Arabic letter mark', '\u061c', '\\u061c'],
    ['a line separator', '\u2028', '\\u2028'],
    ['a paragraph separator', '\u2029', '\\u2029'],
    ['NEL', '\x85', '\\u0085'],
    ['a zero width space', '\u200b', '\\u200b'],
    ['a byte order mark', '\ufeff', '\\ufeff'],
    ['a tag character', '\u{e0041}', '\\udb40\\udc41'],
    ['half a surrogate pair', '\ud800', '\\ud800'],
  ])('SEC-48 %s is escaped wherever it stands, in both forms', async (_name, text, escaped) => {
    for (const pretty of [false, true]) {
      const destination = join(folder, `escaped-${pretty}.log`)
      const log = createLog({ level: 'info', pretty, destination })
      const fields = { username: `u${text}u`, [`k${text}k`]: 1, nested: { list: [`n${text}n`] } }
      log.info(fields, `m${text}m`)
      await log.output.written(1000)
      const written = readFileSync(destination, 'utf8')
      expect(written.endsWith('\n')).toBe(true)
      expect(written.slice(0, -1), `pretty: ${pretty}`).not.toContain(text)
      for (const near of ['u', 'k', 'n', 'm']) expect(written).toContain(near + escaped + near)
      if (!pretty) expect(JSON.parse(written)).toMatchObject({ ...fields, msg: `m${text}m` })
      rmSync(destination)
    }
  })

  test('SEC-48 the words of an error neither steer a terminal nor look like another line', async () => {
    for (const pretty of [false, true]) {
      const destination = join(folder, `error-${pretty}.log`)
      const log = createLog({ level: 'info', pretty, destination })
      log.error({ err: new Error('bad\x1b[2J\n[12:00:00] INFO: all is well\x9b31m') }, 'request failed \x1b[2J\nnow')
      await log.output.written(1000)
      const [first, ...others] = lines(destination)
      expect(first).toContain('request failed \\u001b[2J\\nnow')
      expect(first).toContain('bad\\u001b[2J\\n[12:00:00] INFO: all is well\\u009b31m')
      // For people each frame of the stack has a line.
      expect(others.length > 0).toBe(pretty)
      for (const line of others) expect(line).toMatch(/^ {4}at /)
    }
  })

  test('the readable form is that of a person, with quotation marks as they are', async () => {
    const destination = join(folder, 'readable.log')
    const log = createLog({ level: 'info', pretty: true, destination })
    log.warn({ where: 'turnserver.conf:3' }, 'unknown key "realn"; did you mean "realm"?')
    await log.output.written(1000)
    expect(readFileSync(destination, 'utf8')).toMatch(
      /^\[\d\d:\d\d:\d\d\] WARN: unknown key "realn"; did you mean "realm"\? \{"where":"turnserver\.conf:3"\}\n$/,
    )
  })

  test.each(['password', 'secret', 'credential', 'token', 'key'])('SEC-25 the field %s is redacted', async (field) => {
    const destination = join(folder, `redacted-${field}.log`)
    const log = createLog({ level: 'info', pretty: false, destination })
    log.info({ [field]: 'hunter2', user: { [field]: 'hunter2' } }, 'login')
    await log.output.written(1000)
    expect(readFileSync(destination, 'utf8')).not.toContain('hunter2')
    expect(JSON.parse(lines(destination)[0]!)).toMatchObject({ [field]: '[redacted]', level: 'info', msg: 'login' })
  })

  test('a disk without space takes nothing down: what does not fit is dropped and counted', async () => {
    const log = createLog({ level: 'info', pretty: false, destination: '/dev/full' })
    for (let i = 0; i < 3; i++) log.info({}, 'x'.repeat(500_000))
    await log.output.written(1000)
    expect(log.output.dropped).toBe(1)
  })

  test('lines below the level are not written', async () => {
    const destination = join(folder, 'level.log')
    const log = createLog({ level: 'warn', pretty: false, destination })
    log.info({}, 'no')
    log.warn({}, 'yes')
    await log.output.written(1000)
    expect(lines(destination).map((line) => JSON.parse(line).msg)).toEqual(['yes'])
  })

  test('after the file was moved away, reopen writes a new one', async () => {
    const destination = join(folder, 'moved.log')
    const log = createLog({ level: 'info', pretty: false, destination })
    log.info({}, 'first')
    renameSync(destination, `${destination}.1`)
    log.info({}, 'still the old file')
    await log.output.written(1000)
    log.output.reopen()
    log.info({}, 'second')
    // The old one may still be written to.
    log.output.reopen()
    log.info({}, 'third')
    await log.output.written(1000)
    expect(lines(`${destination}.1`)).toHaveLength(2)
    expect(lines(destination).map((line) => JSON.parse(line).msg)).toEqual(['second', 'third'])
  })

  test('a file that cannot be written is an error at once', () => {
    expect(() =>
      createLog({ level: 'info', pretty: false, destination: join(folder, 'level.log', 'below-a-file.log') }),
    ).toThrow()
  })
})

describe('a pipe that nobody reads', () => {
  const pipe = (): string => {
    const path = join(mkdtempSync(join(folder, 'pipe-')), 'pipe')
    execFileSync('mkfifo', [path])
    return path
  }

  /** What has come through it so far. */
  const read = (descriptor: number): string => {
    const bytes = Buffer.alloc(1 << 16)
    try {
      return bytes.toString('utf8', 0, readSync(descriptor, bytes))
    } catch (error) {
      expect(error).toMatchObject({ code: 'EAGAIN' })
      return ''
    }
  }

  test('takes lines until it is full; of later ones some wait, the others are counted, and that is said at last', async () => {
    const path = pipe()
    // Nobody has it open yet, and opening it waits for nobody.
    const log = createLog({ level: 'info', pretty: false, destination: path })
    const count = 2000
    for (let i = 0; i < count; i++) log.info({ i, text: 'x'.repeat(1000) }, 'much to say')
    await log.output.written(50)
    expect(log.output.dropped).toBeGreaterThan(count / 3)
    expect(log.output.hangs).toBe(false)
    const { dropped } = log.output

    const reader = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK)
    onTestFinished(() => closeSync(reader))
    let text = ''
    await vi.waitFor(
      () => {
        text += read(reader)
        expect(text).toContain('log lines were dropped')
      },
      { timeout: 10_000, interval: 1 },
    )
    await log.output.written(1000)
    text += read(reader)
    const written = text
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as { i?: number; lines?: number })
    const kept = written.filter(({ i }) => i !== undefined).map(({ i }) => i)
    // The oldest, in their order, each whole.
    expect(kept).toEqual(Array.from({ length: count - dropped }, (_, i) => i))
    expect(written.filter(({ lines: said }) => said !== undefined).map(({ lines: said }) => said)).toEqual([dropped])
    expect(log.output.dropped).toBe(dropped)
  })

  test('whose reader has gone makes nobody wait', async () => {
    const path = pipe()
    const reader = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK)
    const output = new DescriptorOutput(path)
    closeSync(reader)
    output.write('x\n')
    await output.written(5000)
    for (let i = 0; i <= MAX_WAITING / 2; i++) output.write('x\n')
    expect(output.dropped).toBeGreaterThan(0)
  })
})

describe('the system log', () => {
  async function collector() {
    const socket = createSocket('udp4').bind(0, '127.0.0.1')
    await once(socket, 'listening')
    const { port } = socket.address() as AddressInfo
    const arrived: string[] = []
    socket.on('message', (message) => arrived.push(message.toString()))
    const syslog = new SyslogOutput('LOG_LOCAL3', ['--server', '127.0.0.1', '--port', `${port}`, '--udp', '--rfc3164'])
    onTestFinished(() => {
      syslog.close()
      socket.close()
    })
    return { syslog, arrived }
  }

  test('gets each line with facility and severity', async () => {
    const { syslog, arrived } = await collector()
    syslog.write('low on ports\n', pino.levels.values['warn']!)
    syslog.write('out of ports\n', pino.levels.values['error']!)
    await vi.waitFor(() => expect(arrived).toHaveLength(2), { timeout: 5000 })
    // local3 is 19; warning is 4, error 3.
    expect(arrived[0]).toMatch(/^<156>.*webrtc-stack.*low on ports/)
    expect(arrived[1]).toMatch(/^<155>.*out of ports/)
  })

  test.each([1000, 8180, 65_000])('SEC-48 a line of %i characters stays one message', async (length) => {
    const { syslog, arrived } = await collector()
    // Wherever logger(1) would cut, it would find a priority.
    syslog.write(`${'<8>x'.repeat(length / 4)}\n`, 30)
    syslog.write('next\n', 30)
    await vi.waitFor(() => expect(arrived.at(-1)).toContain('next'), { timeout: 5000 })
    expect(arrived).toHaveLength(2)
    for (const message of arrived) expect(message.slice(0, 5)).toBe('<158>')
  })

  test('without a working logger lines are dropped and counted, and nothing breaks', async () => {
    const syslog = new SyslogOutput('LOG_DAEMON', ['--no-such-option'])
    onTestFinished(() => syslog.close())
    await vi.waitFor(() => {
      syslog.write('line\n', 30)
      expect(syslog.dropped).toBeGreaterThan(0)
    })
    await syslog.written(1000)
  })

  test('a logger that has ended is started again, and what was lost meanwhile is said', async () => {
    const { syslog, arrived } = await collector()
    const resumed = vi.fn()
    syslog.onResumed = resumed
    const now = vi.spyOn(performance, 'now')
    onTestFinished(() => now.mockRestore())
    syslog.close()
    await vi.waitFor(() => {
      syslog.write('lost\n', 30)
      expect(syslog.dropped).toBeGreaterThan(0)
    })
    now.mockReturnValue(performance.now() + 60_000)
    syslog.write('there again\n', 30)
    now.mockRestore()
    await vi.waitFor(() => expect(arrived.at(-1)).toContain('there again'), { timeout: 5000 })
    expect(resumed).toHaveBeenCalledExactlyOnceWith(syslog.dropped)
  })
})
