import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { setTimeout as pause } from 'node:timers/promises'
import type { Tools } from './tools.ts'

export type Contender = 'ours' | 'coturn' | 'floor' | 'floor with segments'

const PORTS: Record<Contender, number> = { ours: 3601, coturn: 3602, floor: 3603, 'floor with segments': 3604 }

/** A server under test: on loopback, pinned to processor 1, one relay thread. */
export class Server {
  readonly contender: Contender
  readonly port: number
  readonly #child: ChildProcess

  private constructor(contender: Contender, child: ChildProcess) {
    this.contender = contender
    this.port = PORTS[contender]
    this.#child = child
  }

  static async start(contender: Contender, tools: Tools): Promise<Server> {
    const words = command(contender, PORTS[contender], tools)
    const child = spawn('taskset', ['-c', '1', ...words], { stdio: 'ignore' })
    const server = new Server(contender, child)
    await server.#listens()
    return server
  }

  get pid(): number {
    return this.#child.pid!
  }

  /** Seconds of processor time so far, all threads. */
  get cpuSeconds(): number {
    const fields = readFileSync(`/proc/${this.pid}/stat`, 'utf8')
      .replace(/^.*\) /, '')
      .split(' ')
    return (Number(fields[11]) + Number(fields[12])) / 100
  }

  get residentKib(): number {
    return Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${this.pid}/status`, 'utf8'))?.[1] ?? 0)
  }

  async stop(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return
    const gone = once(this.#child, 'exit')
    this.#child.kill('SIGKILL')
    await gone
  }

  async #listens(): Promise<void> {
    const hex = this.port.toString(16).toUpperCase().padStart(4, '0')
    for (let tries = 0; tries < 200; tries++) {
      if (readFileSync('/proc/net/udp', 'utf8').includes(`0100007F:${hex} `)) {
        // coturn binds before it is ready to serve.
        await pause(1000)
        return
      }
      await pause(100)
    }
    await this.stop()
    throw new Error(`${this.contender} does not listen on 127.0.0.1:${this.port}`)
  }
}

function command(contender: Contender, port: number, tools: Tools): string[] {
  const common = ['--listening-ip=127.0.0.1', '--relay-ip=127.0.0.1', `--listening-port=${port}`]
  const login = ['-n', '--user=u:p', '--realm=bench', '--allow-loopback-peers']
  switch (contender) {
    case 'ours':
      return [
        ...[process.execPath, 'bin/webrtc-stack.js', 'serve', ...login, ...common, '--relay-threads=1', '--max-pps=0'],
        ...['--min-port=10000', '--max-port=39999', '--no-rooms', '--no-signaling', '--no-tcp', '--no-tls'],
        ...[
          '--log-min-level=error',
          '--unauthorized-ratelimit=off',
          '--user-quota=0',
          '--max-allocations-per-address=0',
        ],
      ]
    case 'coturn':
      return [
        ...['turnserver', ...login, ...common, '--lt-cred-mech', '-m', '1', '--min-port=40000', '--max-port=65000'],
        ...['--no-cli', '--no-tls', '--no-dtls', '--no-tcp', '--log-file=/dev/null', '--pidfile=/dev/null'],
      ]
    case 'floor':
      return [tools.udpfloor, '1', String(port)]
    case 'floor with segments':
      return [tools.udpfloor, '2', String(port)]
  }
}
