import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, onTestFinished, vi } from 'vitest'
import { udpIo } from './server.ts'

const root = fileURLToPath(new URL('../..', import.meta.url))
const binary = join(root, 'bin/webrtc-stack.js')

/** bin/webrtc-stack.js as it is installed, on the build that every run of the tests begins with. */
export const program = {
  /** Starts it; whatever is left of it is killed when the test ends. */
  start(words: readonly string[], options: ProgramOptions = {}): RunningProgram {
    const preload = options.preload === undefined ? [] : ['--require', preloaded(options.preload)]
    const inNetwork = options.network === undefined ? [] : ['nsenter', '-t', String(options.network), '-n']
    const command = [...inNetwork, options.node ?? process.execPath, ...preload, options.binary ?? binary, ...words]
    const limits = options.descriptors === undefined ? '' : `ulimit -n ${options.descriptors}; `
    const child = spawn(
      '/bin/sh',
      ['-c', `${options.umask ? `umask ${options.umask}; ` : ''}${limits}exec "$@"`, 'sh', ...command],
      {
        stdio: ['ignore', 'pipe', 'pipe'],
        cwd: options.directory ?? root,
        // Tests that run at one time are one user, whose servers would all want the usual place.
        env: { PATH: process.env['PATH'], WEBRTC_STACK_OPERATOR_SOCKET: 'off' },
        ...(options.user === undefined ? {} : { uid: options.user, gid: options.user }),
      },
    )
    return new RunningProgram(child)
  },

  /** Runs it to its end. */
  async run(words: readonly string[], options: ProgramOptions = {}): Promise<RunningProgram> {
    const running = program.start(words, options)
    await running.ended
    return running
  },
}

/** For `preload`: fails when SIGWINCH comes, on the main thread or on one of the others. */
export const failing = (how: string, where: 'isMainThread' | '!isMainThread' = 'isMainThread') => `
  const { isMainThread } = require('node:worker_threads')
  const channel = new BroadcastChannel('failure')
  channel.unref()
  if (isMainThread) process.on('SIGWINCH', () => channel.postMessage(null))
  const fail = () => setTimeout(() => { ${how} }, 1)
  if (${where}) { channel.onmessage = fail; if (isMainThread) process.on('SIGWINCH', fail) }`

function preloaded(text: string): string {
  const folder = mkdtempSync(join(tmpdir(), 'webrtc-stack-preload-'))
  onTestFinished(() => rmSync(folder, { recursive: true }))
  const path = join(folder, 'preload.cjs')
  writeFileSync(path, text)
  return path
}

export interface ProgramOptions {
  /** The Node it runs under, when not that of the tests. */
  readonly node?: string
  /** A CommonJS module that is loaded before the program, on each of its threads. */
  readonly preload?: string
  /** Another installation's. */
  readonly binary?: string
  /** How many descriptors it may have open. */
  readonly descriptors?: number
  readonly umask?: string
  readonly directory?: string
  /** Whom it runs as, for tests that are root. */
  readonly user?: number
  /** A process whose network it runs in, for tests that are root. */
  readonly network?: number
}

/** How it says what became of `udp-io`. */
const UDP_IO = { batch: 'UDP packets are moved in batches', dgram: 'UDP packets are moved one by one' } as const

export class RunningProgram {
  readonly pid: number
  readonly ended: Promise<void>
  out = ''
  err = ''
  exitCode: number | null = null
  signal: NodeJS.Signals | null = null
  readonly #child: ChildProcess

  constructor(child: ChildProcess) {
    this.#child = child
    this.pid = child.pid!
    child.stdout!.on('data', (chunk: Buffer) => (this.out += chunk))
    child.stderr!.on('data', (chunk: Buffer) => (this.err += chunk))
    this.ended = once(child, 'close').then(([code, signal]) => {
      this.exitCode = code
      this.signal = signal
    })
    onTestFinished(async () => {
      child.kill('SIGKILL')
      await this.ended
    })
  }

  get isRunning(): boolean {
    return this.#child.exitCode === null && this.#child.signalCode === null
  }

  kill(signal: NodeJS.Signals): void {
    this.#child.kill(signal)
  }

  /** Its log so far: one object a line. */
  get log(): Record<string, unknown>[] {
    return this.err
      .split('\n')
      .filter((line) => line.startsWith('{') && line.endsWith('}'))
      .map((line) => JSON.parse(line) as Record<string, unknown>)
  }

  /** Waits until it serves, and tells where. */
  async listening(): Promise<{ readonly udp: number; readonly tcp: number; readonly http: number }> {
    await Promise.race([vi.waitFor(() => expect(this.out).toMatch(/\n/), { timeout: 15_000 }), this.ended])
    expect(this.isRunning, this.err).toBe(true)
    if (udpIo !== null)
      expect(
        this.log.some(({ msg }) => String(msg).startsWith(UDP_IO[udpIo!])),
        this.err,
      ).toBe(true)
    const lines = this.log.filter(({ msg }) => msg === 'listening')
    const turnPort = (wanted: string) => {
      const { address } = lines.find(({ transport }) => transport === wanted) as { address: string }
      return Number(address.split(':').at(-1))
    }
    const web = lines.find(({ tls }) => tls === false) as { port: number }
    return { udp: turnPort('udp'), tcp: turnPort('tcp'), http: web.port }
  }
}

/** It goes on, and has logged nothing that nobody has foreseen. */
export function expectNoBug(running: RunningProgram): void {
  expect(running.isRunning, running.err).toBe(true)
  expect(running.log.filter(({ level }) => level === 'error' || level === 'fatal')).toEqual([])
}
