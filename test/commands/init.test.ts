import { readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { temporaryFolder } from '../config/loading.ts'
import { command } from './running.ts'

const secretIn = (path: string) => /^static-auth-secret=(\S+)$/m.exec(readFileSync(path, 'utf8'))?.[1]

test('SEC-59 init writes a file with a fresh secret that its owner alone may read', async () => {
  const folder = temporaryFolder()
  const [first, second] = [join(folder, 'a.conf'), join(folder, 'b.conf')]
  const { exitCode, out, err } = await command('init', '-c', first)
  expect([exitCode, err]).toEqual([0, ''])
  expect(statSync(first).mode & 0o777).toBe(0o600)
  expect(secretIn(first)).toMatch(/^[A-Za-z0-9_-]{43}$/)
  expect(out).not.toContain(secretIn(first))
  await command('init', '-c', second)
  expect(secretIn(second)).not.toBe(secretIn(first))
})

test('what init writes is a configuration without a warning', async () => {
  const path = join(temporaryFolder(), 'turnserver.conf')
  await command('init', '-c', path)
  // Ports of the system's choice: others may have those of the file.
  const ports = ['http-port', 'port', 'listening-port'].map((key) => `--${key}=0`)
  const { exitCode, err } = await command('check-config', '-c', path, ...ports)
  expect([exitCode, err.split('\n').filter((line) => !line.includes('to relay from'))]).toEqual([
    0,
    [`${path}: all right`],
  ])
})

test('init leaves an existing file as it is', async () => {
  const path = join(temporaryFolder(), 'turnserver.conf')
  writeFileSync(path, 'realm=mine\n')
  const { exitCode, err } = await command('init', '-c', path)
  expect([exitCode, err]).toEqual([1, expect.stringContaining('exists and stays as it is')])
  expect(readFileSync(path, 'utf8')).toBe('realm=mine\n')
})

test('init says why a file cannot be written', async () => {
  const { exitCode, err } = await command('init', '-c', '/nowhere/turnserver.conf')
  expect([exitCode, err]).toEqual([1, '/nowhere/turnserver.conf cannot be written (ENOENT); name another file with -c'])
})
