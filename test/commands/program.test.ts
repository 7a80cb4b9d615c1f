import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { temporaryFolder } from '../config/loading.ts'
import { command } from './running.ts'

describe('a command line that cannot be understood exits with 2 and one line', () => {
  test.each([
    [['srve'], 'webrtc-stack: unknown command "srve"; did you mean "serve"?'],
    [['abracadabra'], 'webrtc-stack: unknown command "abracadabra"; see --help'],
    [['--relm=x'], 'webrtc-stack: unknown option --relm; did you mean --realm?'],
    [['--realm'], 'webrtc-stack: --realm needs a value'],
    [['--tls', 'false'], 'webrtc-stack: --tls false: a switch takes its value after "="; write --tls=false'],
    [['init', 'more'], "webrtc-stack: too many arguments for 'init'. Expected 0 arguments but got 1."],
    [['init', '--show'], "webrtc-stack: unknown option '--show'"],
    [['credentials', '--lifetime', 'x'], 'webrtc-stack: --lifetime takes seconds, from 1 to 315360000'],
  ])('%j', async (words, line) => {
    expect(await command(...words)).toEqual({ exitCode: 2, out: '', err: line })
  })
})

describe('SEC-56 a wrong configuration exits with 78 before anything is opened, and', () => {
  test.each(['serve', 'check-config', 'credentials', 'systemd'])('%s says where and how to mend it', async (name) => {
    const path = join(temporaryFolder(), 'turnserver.conf')
    writeFileSync(path, 'realm=x\n\ndenied-peer-ips=10.0.0.0/8\nlistening-port=70000\n')
    expect(await command(name, '-c', path)).toEqual({
      exitCode: 78,
      out: '',
      err: `${path}:3: unknown key "denied-peer-ips"; did you mean "denied-peer-ip"?\n${path}:4: "listening-port": 70000 is not between 0 and 65535\nunknown keys stop the start, because a mistyped one may have been there to protect something; --ignore-unknown-keys starts all the same`,
    })
  })
  test.each([
    ['--denied-peer-ip=10.0.0.0/33', /^--denied-peer-ip: .* is not a CIDR range; write /],
    ['--port=65536', /^--port: .* is not between 0 and 65535$/],
    ['--cert=/nowhere.pem', /^--cert: .*is set and pkey is not; set pkey too/],
  ])('a wrong %s too', async (flag, message) => {
    const { exitCode, err } = await command('-n', flag)
    expect(exitCode).toBe(78)
    expect(err.split('\n')[0]).toMatch(message)
  })
  test('a file that cannot be read too', async () => {
    expect(await command('-c', '/nowhere/t.conf')).toMatchObject({ exitCode: 78 })
  })
  test('a log file that cannot be written too', async () => {
    const { exitCode, err } = await command('-n', '--log-file=/dev/null/x.log')
    expect([exitCode, err]).toEqual([78, expect.stringMatching(/^"log-file": \/dev\/null\/x\.log cannot be written/)])
  })
})

test('version and --version print the version alone', async () => {
  const { out, exitCode } = await command('version')
  expect([out, exitCode]).toEqual([expect.stringMatching(/^\d+\.\d+\.\d+$/), 0])
  expect(await command('--version')).toEqual({ exitCode: 0, out, err: '' })
})

test('an address that is not ours exits with 1 and says what to do', async () => {
  const { exitCode, err } = await command(
    '-n',
    '--no-rooms',
    '--no-signaling',
    '-L',
    '192.0.2.1',
    '-p',
    '0',
    '--log-min-level=error',
  )
  expect(exitCode).toBe(1)
  expect(err).toMatch(
    /^webrtc-stack: cannot listen on udp 192\.0\.2\.1:0: EADDRNOTAVAIL; no network interface has this address/,
  )
})
