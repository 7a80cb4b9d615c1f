import { execFileSync } from 'node:child_process'
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'

/** What turnblast prints about one relay run. */
export interface RelayRun {
  readonly tx_pps: number
  readonly rx_pps: number
  readonly loss: number
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

export interface Target {
  readonly port: number
  readonly pid: number
}

export interface Traffic {
  readonly allocations: number
  readonly payload: number
  readonly burst: number
  /** 1 = to the peers, 2 = to the clients, 3 = both. */
  readonly direction: 1 | 2 | 3
  readonly rate: number
  readonly seconds: number
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

  relay(target: Target, { allocations, payload, burst, direction, rate, seconds }: Traffic): RelayRun | null {
    const words = { k: allocations, s: payload, b: burst, d: direction, r: rate, t: seconds }
    return this.#blast(target, words, seconds + 60) as RelayRun | null
  }

  allocate(target: Target, allocations: number, idleSeconds = 0): AllocationRun | null {
    return this.#blast(target, { n: allocations, i: idleSeconds }, 120 + idleSeconds) as AllocationRun | null
  }

  // A run that failed (no answer within three seconds on a busy machine) is left out of the medians.
  #blast({ port, pid }: Target, options: Readonly<Record<string, number>>, limitSeconds: number): unknown {
    const words = Object.entries({ ...options, p: port, P: pid, c: 0 }).flatMap(([key, value]) => [
      `-${key}`,
      `${value}`,
    ])
    try {
      const text = execFileSync(this.turnblast, words, {
        encoding: 'utf8',
        timeout: limitSeconds * 1000,
        stdio: ['ignore', 'pipe', 'inherit'],
      })
      return JSON.parse(text)
    } catch {
      return null
    }
  }
}
