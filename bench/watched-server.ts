import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readdirSync, readFileSync } from 'node:fs'
import { get } from 'node:http'
import { resolve } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { type Held, InspectedThreads } from './inspected-threads.ts'

/** What the server holds at one moment. */
export interface Sample {
  /** Seconds since the server was started. */
  readonly at: number
  readonly rssMib: number
  /** Of resident memory what is its own. The rest are pages of the program's files, which come and go as the system likes. */
  readonly ownMib: number
  readonly descriptors: number
  readonly threads: number
  readonly allocations: number
  readonly relays: number
  readonly connections: number
  readonly metrics: ReadonlyMap<string, number>
}

const PROGRAM = resolve('bin/webrtc-stack.js')

/** The server as a process of its own, seen from outside: /proc and /metrics. */
export class WatchedServer {
  readonly #child: ChildProcess
  readonly #startedAt = performance.now()
  #log = ''
  #threads: InspectedThreads | null = null
  readonly turnPorts = { udp: 0, tcp: 0 }
  /** Of the page, /healthz, /metrics and /ws. */
  httpPort = 0

  static async start(flags: readonly string[], nodeFlags: readonly string[] = []): Promise<WatchedServer> {
    const server = new WatchedServer(flags, nodeFlags)
    await server.#listening()
    return server
  }

  private constructor(flags: readonly string[], nodeFlags: readonly string[]) {
    const ports = ['http-port', 'https-port', 'port', 'listening-port'].map((key) => `--${key}=0`)
    const words = ['serve', '-n', '--host=127.0.0.1', ...ports, ...flags]
    this.#child = spawn(process.execPath, [...nodeFlags, PROGRAM, ...words], { stdio: ['ignore', 'ignore', 'pipe'] })
    this.#child.stderr!.on('data', (chunk: Buffer) => {
      if (this.#log.length < 65_536) this.#log += chunk
    })
  }

  get pid(): number {
    return this.#child.pid!
  }

  get isRunning(): boolean {
    return this.#child.exitCode === null && this.#child.signalCode === null
  }

  get log(): string {
    return this.#log
  }

  async sample(): Promise<Sample> {
    const folder = `/proc/${this.pid}`
    const status = readFileSync(`${folder}/status`, 'utf8')
    const field = (name: string) => Number(new RegExp(`^${name}:\\s+(\\d+)`, 'm').exec(status)?.[1])
    // Before the scrape, which opens a descriptor itself.
    const descriptors = readdirSync(`${folder}/fd`).length
    const metrics = parseMetrics(await this.#scrape())
    return {
      at: (performance.now() - this.#startedAt) / 1000,
      rssMib: field('VmRSS') / 1024,
      ownMib: field('RssAnon') / 1024,
      descriptors,
      threads: field('Threads'),
      allocations: total(metrics, 'webrtc_stack_allocations'),
      relays: total(metrics, 'webrtc_stack_relay_sockets'),
      connections: total(metrics, 'webrtc_stack_connections'),
      metrics,
    }
  }

  /** What its threads hold after a collection; `nodeFlags` have to have `--inspect=127.0.0.1:0`. */
  async collectGarbage(): Promise<Held> {
    this.#threads ??= await InspectedThreads.connect(/Debugger listening on (ws:\S+)/.exec(this.#log)![1]!)
    return this.#threads.collectGarbage()
  }

  /** Ends it and returns its exit code. */
  async stop(): Promise<number | null> {
    this.#threads?.close()
    if (this.isRunning) {
      this.#child.kill('SIGTERM')
      const killer = setTimeout(() => this.#child.kill('SIGKILL'), 20_000)
      await once(this.#child, 'exit')
      clearTimeout(killer)
    }
    return this.#child.exitCode
  }

  async #listening(): Promise<void> {
    const deadline = performance.now() + 30_000
    while (performance.now() < deadline && this.isRunning) {
      const port = (pattern: RegExp) => Number(pattern.exec(this.#log)?.[1] ?? 0)
      this.turnPorts.udp = port(/"transport":"udp","address":"127\.0\.0\.1:(\d+)"/)
      this.turnPorts.tcp = port(/"transport":"tcp","address":"127\.0\.0\.1:(\d+)"/)
      this.httpPort = port(/"port":(\d+),"tls":false/)
      if (this.turnPorts.udp > 0 && this.turnPorts.tcp > 0 && this.httpPort > 0) return
      await sleep(50)
    }
    await this.stop()
    throw new Error(`the server does not start:\n${this.#log}`)
  }

  #scrape(): Promise<string> {
    return new Promise((done, fail) => {
      const request = get(
        { host: '127.0.0.1', port: this.httpPort, path: '/metrics', agent: false, timeout: 10_000 },
        (response) => {
          let text = ''
          response.setEncoding('utf8')
          response.on('data', (chunk: string) => {
            text += chunk
          })
          response.on('end', () => done(text))
          response.on('error', fail)
        },
      )
      request.on('timeout', () => request.destroy(new Error('no metrics within 10 s')))
      request.on('error', fail)
    })
  }
}

/** The sum over all labels of one metric. */
export function total(metrics: ReadonlyMap<string, number>, name: string): number {
  let sum = 0
  for (const [key, value] of metrics) if (key === name || key.startsWith(`${name}{`)) sum += value
  return sum
}

function parseMetrics(text: string): Map<string, number> {
  const metrics = new Map<string, number>()
  for (const line of text.split('\n')) {
    const [, name, value] = /^([a-z][^ ]*(?:\{[^}]*\})?) (\S+)$/.exec(line) ?? []
    if (name !== undefined) metrics.set(name, Number(value))
  }
  return metrics
}
