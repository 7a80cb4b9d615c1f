import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { expect, vi } from 'vitest'

export const ourCommand = fileURLToPath(new URL('../../bin/webrtc-stack.js', import.meta.url))

/** A command line in a process of its own, as a person would type it. */
export class Command {
  readonly #child: ChildProcess
  readonly #ended: Promise<unknown>
  /** What it printed so far. */
  out = ''
  err = ''

  constructor(words: readonly string[], directory: string) {
    const [program, ...rest] = words
    // Nothing of the test's own environment but the way to programs.
    // Not the usual socket for operators, either: tests that run at one time are one user.
    const env = { PATH: process.env['PATH'], HOME: directory, WEBRTC_STACK_OPERATOR_SOCKET: 'off' }
    this.#child = spawn(program!, rest, { cwd: directory, env, stdio: ['ignore', 'pipe', 'pipe'] })
    this.#child.stdout!.on('data', (bytes) => {
      this.out += bytes
    })
    this.#child.stderr!.on('data', (bytes) => {
      this.err += bytes
    })
    this.#ended = once(this.#child, 'close')
  }

  /** Waits for the summary that `serve` prints, and returns the address of the page. */
  async serving(): Promise<string> {
    const found = await vi.waitFor(
      () => {
        expect(this.#child.exitCode, this.err).toBeNull()
        const [url] = /http:\/\/\S+:\d+/.exec(this.out) ?? []
        expect(url, this.out).toBeDefined()
        return url!
      },
      { timeout: 20_000 },
    )
    return found
  }

  /** The exit code, once it has ended. */
  async end(): Promise<number | null> {
    await this.#ended
    return this.#child.exitCode
  }

  /** Asks it to end, and returns its exit code. */
  stop(): Promise<number | null> {
    this.#child.kill('SIGTERM')
    return this.end()
  }

  /** For clean-up: gone afterwards, whatever it was doing. */
  async kill(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return
    this.#child.kill('SIGKILL')
    // Not its output's end: a child of its own may hold that open.
    await once(this.#child, 'exit')
  }
}
