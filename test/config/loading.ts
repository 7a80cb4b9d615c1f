import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, onTestFinished } from 'vitest'
import { ConfigError } from '../../src/config/config-error.ts'
import type { Surroundings } from '../../src/config/file/surroundings.ts'
import { readFlags } from '../../src/config/flags.ts'
import { type LoadedConfig, loadConfig } from '../../src/config/load.ts'

/** An empty folder that goes away after the test, or after the file where that is read before its tests. */
export function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'webrtc-stack-'))
  // The files of the core share this module, so that what it registered itself would be for the first of them alone.
  const isInTest = expect.getState().currentTestName !== undefined
  const after = isInTest ? onTestFinished : afterAll
  after(() => rmSync(folder, { recursive: true }))
  return folder
}

export interface Machine extends Partial<Surroundings> {
  /** Files of the working directory. */
  readonly files?: Readonly<Record<string, string>>
}

/** Loads as `serve` would, on a machine where nothing is configured but what the test says. */
export async function load(
  conf: string | null,
  words: readonly string[] = [],
  machine: Machine = {},
): Promise<LoadedConfig> {
  const { files, ...surroundings } = machine
  const directory = temporaryFolder()
  for (const [name, text] of Object.entries({ ...files, ...(conf === null ? {} : { 'turnserver.conf': conf }) }))
    writeFileSync(join(directory, name), text)
  const flags = readFlags([...(conf === null ? ['-n'] : []), ...words], new Set())
  return await loadConfig(flags, {
    directory,
    programDirectory: temporaryFolder(),
    environment: {},
    interfaces: new Map([['lo', ['127.0.0.1', '::1']]]),
    resolve: async (host) => {
      throw new Error(`nobody knows ${host}`)
    },
    accountFile: null,
    domainName: null,
    operatorSocket: null,
    runSecret: () => 'drawn-for-this-run-of-the-tests',
    ...surroundings,
  })
}

/** All the lines that a refused configuration prints. */
export async function complaints(
  conf: string | null,
  words: readonly string[] = [],
  machine: Machine = {},
): Promise<string[]> {
  try {
    await load(conf, words, machine)
  } catch (error) {
    if (error instanceof ConfigError) return [error, ...error.others].map((problem) => problem.toLine())
    throw error
  }
  throw new Error('the configuration was accepted')
}

/** The warnings about `key`. */
export function warningsOf(loaded: LoadedConfig, key: string): string[] {
  return loaded.warnings.map(({ message }) => message).filter((message) => message.startsWith(`"${key}"`))
}
