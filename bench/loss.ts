import { setTimeout as pause } from 'node:timers/promises'
import { cell, inTurn, isFailure, lists, type Runs, successes } from './runs.ts'
import { CONTENDERS, type Contender, type Server } from './servers.ts'
import type { Failure, RelayRun, Tools } from './tools.ts'

/** What everybody loses at 60 % of the rate where the floor begins to lose. */
export interface Loss {
  readonly name: string
  readonly burst: number
  /** Where the floor begins to lose; or, when it never did, the most that the generator could send. */
  readonly limit: { readonly rate: number; readonly isOfGenerator: boolean }
  /** What was offered to all. */
  readonly rate: number
  readonly runs: Readonly<Record<Contender, Runs<RelayRun>>>
}

const SHARE = 0.6
const LOWEST_RATE = 40_000
const STEP = 1.1
/** A packet or two may be lost to anything that happens on the machine; a queue that is full loses a thousandth at once. */
const BEGINS_TO_LOSE = 0.001
/** Below this part of what was asked for, the generator is what is full. */
const KEEPS_UP = 0.97

export function lossName(burst: number): string {
  return `lost at 60 % of the floor's limit, ${burst === 1 ? 'single' : `bursts of ${burst}`}`
}

export async function measureLoss(
  tools: Tools,
  servers: ReadonlyMap<Contender, Server>,
  { burst, rounds, seconds }: { burst: number; rounds: number; seconds: number },
): Promise<Loss | Failure> {
  const offer = (contender: Contender, rate: number, seconds: number) => {
    const traffic = { allocations: 16, payload: 200, burst, direction: 1, rate, seconds, warmUpSeconds: 0.5 } as const
    return tools.relay(servers.get(contender)!, traffic)
  }
  const limit = await findLimit((rate) => offer('floor', rate, 1))
  if (isFailure(limit)) return limit
  const rate = Math.round((limit.rate * SHARE) / 1000) * 1000
  const runs = lists<Contender, RelayRun>(CONTENDERS)
  for (let round = 0; round < rounds; round++) {
    for (const contender of inTurn([...servers.keys()], round)) {
      runs[contender].push(await offer(contender, rate, seconds))
      await pause(200)
    }
  }
  return { name: lossName(burst), burst, limit, rate, runs }
}

/** Raises the rate until two runs of three lose, or two could not be sent. */
async function findLimit(offer: (rate: number) => Promise<RelayRun | Failure>): Promise<Loss['limit'] | Failure> {
  for (let rate = LOWEST_RATE; ; rate = Math.round(rate * STEP)) {
    const runs: RelayRun[] = []
    const short = () => runs.filter(({ tx_pps }) => tx_pps < rate * KEEPS_UP)
    const losing = () => runs.filter((run) => lostBy(run) > run.sent * BEGINS_TO_LOSE)
    do {
      const run = await offer(rate)
      if (isFailure(run)) return run
      runs.push(run)
      await pause(200)
    } while (runs.length < 3 && short().length + losing().length >= runs.length / 2)
    if (losing().length > 1) return { rate, isOfGenerator: false }
    if (short().length > 1) return { rate: Math.max(...short().map(({ tx_pps }) => tx_pps)), isOfGenerator: true }
  }
}

/** Not counting what the generator itself had no room for. */
export function lostBy({ sent, received, own_drops }: RelayRun): number {
  return Math.max(0, sent - received - own_drops)
}

/** A table: per contender the median, and the worst, of its runs. */
export function lossRows(losses: readonly Loss[]): string[][] {
  const rows = losses.map(({ name, limit, rate, runs }) => [
    name,
    limit.isOfGenerator ? `over ${thousands(limit.rate)}` : thousands(limit.rate),
    thousands(rate),
    ...CONTENDERS.map((contender) =>
      cell(runs[contender], (median) => {
        const worst = Math.max(...successes(runs[contender]).map(lostBy))
        return `${median(lostBy)}, at most ${worst} of ${median((run) => run.sent)}`
      }),
    ),
  ])
  return [['packets lost', 'the floor begins to lose at', 'offered', ...CONTENDERS], ...rows]
}

export function lossTargets(losses: readonly Loss[]): string[][] {
  return losses.map(({ name, runs }) => {
    const lost = successes(runs.ours).reduce((sum, run) => sum + lostBy(run), 0)
    const sent = successes(runs.ours).reduce((sum, run) => sum + run.sent, 0)
    return [`packets ${name}, all runs`, '0', cell(runs.ours, () => `${lost} of ${sent}`)]
  })
}

function thousands(rate: number): string {
  return `${Math.round(rate / 1000)} k/s`
}
