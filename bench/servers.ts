import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { randomInt } from 'node:crypto'
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import type { Tools } from './tools.ts'

/** Who can be measured; `before` is another build of ours, `floor` and `floor with segments` do the least that any program must do. */
export const CONTENDERS = ['ours', 'before', 'coturn', 'floor', 'floor with segments'] as const
export type Contender = (typeof CONTENDERS)[number]

/** How servers are started. */
export interface Field {
  /** Where another build of ours lies; null when nobody is to be compared with it. */
  readonly before: string | null
  readonly threads: 1 | 2
}

export type Family = 4 | 6

const LOWEST_RELAY_PORT = 10_000

/** A server under test: on loopback, with one relay thread pinned to processor 1, or two on all that there are. */
export class Server {
  readonly contender: Contender
  readonly host: string
  readonly port: number
  readonly #child: ChildProcess

  private constructor(contender: Contender, host: string, port: number, child: ChildProcess) {
    this.contender = contender
    this.host = host
    this.port = port
    this.#child = child
  }

  static async start(contender: Contender, field: Field, tools: Tools, family: Family = 4): Promise<Server> {
    const host = family === 4 ? '127.0.0.1' : '::1'
    const port = await freePort(host)
    const processors = field.threads === 1 ? '1' : '0,1'
    const child = spawn('taskset', ['-c', processors, ...command(contender, field, host, port, tools)], {
      stdio: 'ignore',
    })
    const server = new Server(contender, host, port, child)
    await server.#listens()
    return server
  }

  get pid(): number {
    return this.#child.pid!
  }

  async stop(): Promise<void> {
    if (this.#hasEnded) return
    const gone = once(this.#child, 'exit')
    this.#child.kill('SIGKILL')
    await gone
  }

  get #hasEnded(): boolean {
    return this.#child.exitCode !== null || this.#child.signalCode !== null
  }

  async #listens(): Promise<void> {
    const isV4 = this.host === '127.0.0.1'
    const address = isV4 ? '0100007F' : '00000000000000000000000001000000'
    const hex = this.port.toString(16).toUpperCase().padStart(4, '0')
    const sockets = isV4 ? '/proc/net/udp' : '/proc/net/udp6'
    for (let tries = 0; tries < 200 && !this.#hasEnded; tries++) {
      if (readFileSync(sockets, 'utf8').includes(`${address}:${hex} `)) {
        // coturn binds before it is ready to serve.
        await pause(1000)
        return
      }
      await pause(100)
    }
    await this.stop()
    throw new Error(`${this.contender} does not listen on ${this.host} port ${this.port}`)
  }
}

/** Of the coturn that is installed; throws where there is none. */
export function coturnVersion(): string {
  try {
    const text = execFileSync('turnserver', ['--version'], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] })
    return text.trim().split('\n').at(-1)!
  } catch (cause) {
    throw new Error('turnserver cannot be run: apt install coturn', { cause })
  }
}

/**
 * Two benchmarks on one machine spoil each other's figures, but never measure each other's servers. The port is none that
 * the system gives to a peer: our server relays to no loopback address with a port of its own.
 */
async function freePort(host: string): Promise<number> {
  for (;;) {
    const port = randomInt(4000, LOWEST_RELAY_PORT)
    const socket = createSocket(host === '127.0.0.1' ? 'udp4' : 'udp6')
    try {
      socket.bind(port, host)
      await once(socket, 'listening')
      return port
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EADDRINUSE') throw error
    } finally {
      socket.close()
    }
  }
}

function command(contender: Contender, field: Field, host: string, port: number, tools: Tools): string[] {
  const common = [`--listening-ip=${host}`, `--relay-ip=${host}`, `--listening-port=${port}`]
  const login = ['-n', '--user=u:p', '--realm=bench', '--allow-loopback-peers']
  switch (contender) {
    case 'ours':
    case 'before':
      return [
        ...[process.execPath, join((contender === 'before' && field.before) || '.', 'bin/webrtc-stack.js'), 'serve'],
        ...[...login, ...common, `--relay-threads=${field.threads}`, '--max-pps=0'],
        ...[
          `--min-port=${LOWEST_RELAY_PORT}`,
          '--max-port=39999',
          '--no-rooms',
          '--no-signaling',
          '--no-tcp',
          '--no-tls',
        ],
        ...['--log-min-level=error', '--unauthorized-ratelimit=off', '--user-quota=0'],
        '--max-allocations-per-address=0',
      ]
    case 'coturn':
      return [
        ...[
          'turnserver',
          ...login,
          ...common,
          '--lt-cred-mech',
          '-m',
          `${field.threads}`,
          '--min-port=40000',
          '--max-port=65000',
        ],
        ...['--no-cli', '--no-tls', '--no-dtls', '--no-tcp', '--log-file=/dev/null', '--pidfile=/dev/null'],
      ]
    case 'floor':
      return [tools.udpfloor, '1', String(port), host]
    case 'floor with segments':
      return [tools.udpfloor, '2', String(port), host]
  }
}
