import { cell, fixed, inTurn, isFailure, type Runs, ratio } from './runs.ts'
import { type Contender, Server } from './servers.ts'
import type { AllocationRun, Failure, Tools } from './tools.ts'

const RIVALS = ['ours', 'coturn'] as const satisfies Contender[]
type Rival = (typeof RIVALS)[number]

/** So that what a process needs once is not counted as an allocation's. */
const TRIED_BEFORE = 200
const MEASURED = 3000
const IDLE = 10_000
const IDLE_SECONDS = 10

interface Rounds {
  /** Of a fresh process: V8 has not compiled the path yet, and memory that was never used shows what an allocation takes. */
  readonly first: (AllocationRun | Failure)[]
  /** The next ones of the same process, after the first are given back. */
  readonly warm: (AllocationRun | Failure)[]
}

export interface Allocations extends Readonly<Record<Rival, Rounds>> {
  /** Ten thousand held, and nothing else happens. */
  readonly idle: Readonly<Record<Rival, Runs<AllocationRun>>>
}

/** A fresh server for each run, because memory that was used once looks free. */
export async function measureAllocations(tools: Tools, rounds: number): Promise<Allocations> {
  const measured = { ours: { first: [], warm: [] } as Rounds, coturn: { first: [], warm: [] } as Rounds }
  for (let round = 0; round < rounds; round++) {
    for (const rival of inTurn(RIVALS, round)) {
      await withFresh(rival, tools, async (server) => {
        await tools.allocate(server, TRIED_BEFORE)
        measured[rival].first.push(await tools.allocate(server, MEASURED))
        measured[rival].warm.push(await tools.allocate(server, MEASURED))
      })
    }
    process.stderr.write(`allocations, round ${round + 1}\n`)
  }
  const held = async (server: Server) => [await tools.allocate(server, IDLE, IDLE_SECONDS)]
  const idle = { ours: await withFresh('ours', tools, held), coturn: await withFresh('coturn', tools, held) }
  process.stderr.write('idle allocations\n')
  return { ...measured, idle }
}

async function withFresh<Result>(
  rival: Rival,
  tools: Tools,
  use: (server: Server) => Promise<Result>,
): Promise<Result> {
  const server = await Server.start(rival, tools)
  try {
    return await use(server)
  } finally {
    await server.stop()
  }
}

/** A table of both, and ours divided by the other. */
export function allocationRows({ ours, coturn, idle }: Allocations): string[][] {
  const row = (name: string, our: Runs<AllocationRun>, their: Runs<AllocationRun>, read: Read) => [
    name,
    ...[our, their].map((runs) => cell(runs, (median) => median(read).toFixed(1))),
    fixed(ratio(our, their, read), 2),
  ]
  return [
    ['per allocation', ...RIVALS, 'ours/coturn'],
    row(`µs of CPU, first ${MEASURED}`, ours.first, coturn.first, (run) => run.cpu_us_each),
    row(`µs of CPU, next ${MEASURED} (warm)`, ours.warm, coturn.warm, (run) => run.cpu_us_each),
    row('allocations/s, one after another, warm', ours.warm, coturn.warm, (run) => run.per_second),
    row('KiB resident', ours.first, coturn.first, (run) => run.rss_kib_each),
    row(`% of a processor while ${IDLE} are idle`, idle.ours, idle.coturn, (run) => run.idle_cpu_pct),
  ]
}

type Read = (run: AllocationRun) => number

/** What the targets say about them. */
export function allocationTargets({ ours, coturn, idle }: Allocations): string[][] {
  const both = (our: Runs<AllocationRun>, their: Runs<AllocationRun>, read: Read) => {
    const [mine, theirs] = [our, their].map((runs) => cell(runs, (median) => median(read).toFixed(1)))
    return `${fixed(ratio(our, their, read), 2)} (${mine} / ${theirs})`
  }
  const [held] = idle.ours
  return [
    [
      `CPU per allocation, first ${MEASURED}, ours/coturn (µs)`,
      '≤ 0.5',
      both(ours.first, coturn.first, (run) => run.cpu_us_each),
    ],
    ['CPU per allocation, warm, ours/coturn (µs)', '≤ 0.5', both(ours.warm, coturn.warm, (run) => run.cpu_us_each)],
    [
      'resident memory per allocation, ours/coturn (KiB)',
      '≤ 0.5',
      both(ours.first, coturn.first, (run) => run.rss_kib_each),
    ],
    [
      `CPU with ${IDLE} idle allocations`,
      '< 1 %',
      held === undefined || isFailure(held) ? 'failed' : `${held.idle_cpu_pct} %`,
    ],
  ]
}
