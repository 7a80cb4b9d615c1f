import { describe, expect, test } from 'vitest'
import { optionNames, optionOf } from '../../src/config/options.ts'
import { command } from './running.ts'

describe('--help', () => {
  test.each([['--help'], ['-h'], ['serve', '--help']])('%j is one screen of 80 columns', async (...words) => {
    const { exitCode, out } = await command(...words)
    expect(exitCode).toBe(0)
    expect(out.split('\n').length).toBeLessThan(45)
    for (const line of out.split('\n')) expect(line.length).toBeLessThanOrEqual(80)
  })
  test('names every command and where the rest of the options is', async () => {
    const { out } = await command('--help')
    for (const name of [
      'serve',
      'check-config',
      'init',
      'credentials',
      'bench',
      'doctor [URL], stun, turn',
      'systemd, version',
      'status, sessions, disconnect,',
      '--help-all',
      '-c FILE',
    ])
      expect(out).toContain(`  ${name}`)
  })
  test('of a command is about that command', async () => {
    const { out } = await command('credentials', '--help')
    expect(out).toContain('--lifetime')
    expect(out).not.toContain('--listening-port')
  })
})

describe('--help-all', () => {
  test('names every option with its short flag, within 80 columns', async () => {
    const { out } = await command('--help-all')
    for (const name of optionNames) {
      const { short } = optionOf(name)
      expect(out).toMatch(new RegExp(`^ {2}${short === null ? '' : `-${short}, `}--${name}(=|\\s|$)`, 'm'))
    }
    for (const line of out.split('\n')) expect(line.length).toBeLessThanOrEqual(80)
  })
  test('names every command for a running server', async () => {
    const { out } = await command('--help-all')
    const [commands] = out.split('\n\n')
    for (const name of [
      'status',
      'sessions',
      'session ID',
      'disconnect',
      'rooms',
      'close-room',
      'drain',
      'undrain',
      'reload',
      'log-level',
      'certificates',
    ])
      expect(commands).toMatch(new RegExp(`^  ${name} `, 'm'))
  })
  test('tells defaults, what is not built yet, and when a change takes effect', async () => {
    const { out } = await command('--help-all')
    const text = out.replaceAll(/\s+/g, ' ')
    expect(text).toContain(
      '--listening-port=PORT UDP and TCP port; TLS works here too (default: 3478; applies to new clients)',
    )
    expect(text).toContain('--log-binding Log Binding requests (not built yet)')
    expect(text).toContain('Detach from the terminal (without effect)')
  })
})
