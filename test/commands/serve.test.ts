import { describe, expect, test } from 'vitest'
import { logOptions } from '../../src/commands/serve.ts'
import { load } from '../config/loading.ts'

const optionsOf = async (conf: string, isTerminal = false, words: string[] = []) =>
  logOptions((await load(conf, words)).config, isTerminal)

describe('the log', () => {
  test('is at info level, at debug with Verbose, and where log-min-level says', async () => {
    expect((await optionsOf('realm=x\n')).level).toBe('info')
    expect((await optionsOf('verbose\n')).level).toBe('info')
    expect((await optionsOf('Verbose\n')).level).toBe('debug')
    expect((await optionsOf('log-min-level=warning\n')).level).toBe('warn')
    expect((await optionsOf('Verbose\nlog-min-level=error\n')).level).toBe('error')
  })
  test('is for people on a terminal and with --dev, else JSON, unless log-format says otherwise', async () => {
    expect((await optionsOf('realm=x\n')).pretty).toBe(false)
    expect((await optionsOf('realm=x\n', true)).pretty).toBe(true)
    expect((await optionsOf('realm=x\n', false, ['--dev'])).pretty).toBe(true)
    expect((await optionsOf('log-format=json\n', true)).pretty).toBe(false)
    expect((await optionsOf('log-format=pretty\n')).pretty).toBe(true)
    expect((await optionsOf('log-file=/tmp/x.log\n', true)).pretty).toBe(false)
  })
  test('goes to standard error, standard output or a file', async () => {
    expect((await optionsOf('realm=x\n')).destination).toBeUndefined()
    expect((await optionsOf('log-file=stdout\n')).destination).toBe(1)
    expect((await optionsOf('log-file=-\n')).destination).toBe(1)
    expect((await optionsOf('log-file=/tmp/x.log\n')).destination).toBe('/tmp/x.log')
    expect((await optionsOf('log-file=syslog\n')).destination).toBeUndefined()
  })
})
