import { execFile, execFileSync } from 'node:child_process'
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'

const run = promisify(execFile)

/** What turnblast prints about one relay run. */
export interface RelayRun {
  readonly sent: number
  readonly received: number
  /** Arrived at the generator and lost there: no fault of the server. */
  readonly own_drops: number
  readonly tx_pps: number
  readonly rx_pps: number
  readonly us_per_pkt: number
  readonly user_s: number
  readonly sys_s: number
  readonly delay_p50_us: number
  readonly delay_p99_us: number
}

/** The same about one allocation run. */
export interface AllocationRun {
  readonly per_second: number
  readonly cpu_us_each: number
  readonly rss_kib_each: number
  /** While they were held and nothing else happened. */
  readonly idle_cpu_pct: number
}

/** A run that came to nothing, and why. */
export interface Failure {
  readonly failed: string
}

export interface Target {
  readonly host: string
  readonly port: number
  readonly pid: number
}

export interface Traffic {
  readonly allocations: number
  readonly payload: number
  readonly burst: number
  /** 1 = to the peers, 2 = to the clients, 3 = both. */
  readonly direction: 1 | 2 | 3
  /** Packets a second, all allocations and directions together. */
  readonly rate: number
  readonly seconds: number
  /** Of the same traffic before that, not counted. */
  readonly warmUpSeconds: number
}

/** The C programs that load and that are the floor, built from this folder. */
export class Tools {
  readonly turnblast: string
  readonly udpfloor: string

  constructor(folder: string) {
    mkdirSync(folder, { recursive: true })
    this.turnblast = join(folder, 'turnblast')
    this.udpfloor = join(folder, 'udpfloor')
    const cc = (...words: string[]) => execFileSync('cc', ['-O2', ...words], { stdio: ['ignore', 'ignore', 'inherit'] })
    cc('-o', this.turnblast, 'bench/turnblast.c', '-lcrypto', '-lpthread')
    cc('-o', this.udpfloor, 'bench/udpfloor.c')
  }

  async relay(target: Target, traffic: Traffic): Promise<RelayRun | Failure> {
    const { allocations, payload, burst, direction, rate, seconds, warmUpSeconds } = traffic
    const words = { k: allocations, s: payload, b: burst, d: direction, r: rate, t: seconds, W: warmUpSeconds }
    const run = await this.#blast<RelayRun>(target, words, warmUpSeconds + seconds + 60)
    // Processor time is counted in hundredths of a second.
    return 'us_per_pkt' in run && run.us_per_pkt === 0 ? { failed: 'too little relayed to measure' } : run
  }

  allocate(target: Target, allocations: number, idleSeconds = 0): Promise<AllocationRun | Failure> {
    return this.#blast(target, { n: allocations, i: idleSeconds }, 120 + idleSeconds)
  }

  async #blast<Run>(
    { host, port, pid }: Target,
    options: Readonly<Record<string, number>>,
    limitSeconds: number,
  ): Promise<Run | Failure> {
    const all = { h: host, p: port, P: pid, c: 0, ...options }
    const words = Object.entries(all).flatMap(([key, value]) => [`-${key}`, `${value}`])
    try {
      const { stdout } = await run(this.turnblast, words, { timeout: limitSeconds * 1000 })
      return JSON.parse(stdout)
    } catch (error) {
      const { stderr, stdout, signal } = error as { stderr?: string; stdout?: string; signal?: string | null }
      if (signal === 'SIGTERM') return { failed: `not done after ${limitSeconds} s` }
      const complaint = stderr?.trim().replaceAll('\n', ', ')
      // It prints its line even then.
      return { failed: complaint || (stdout ? 'no packet arrived' : `${error}`) }
    }
  }
}
