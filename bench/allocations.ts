import { cell, fixed, inTurn, isFailure, type Runs, ratio } from './runs.ts'
import { type Contender, type Field, Server } from './servers.ts'
import type { AllocationRun, Failure, Tools } from './tools.ts'

const RIVALS = ['ours', 'before', 'coturn'] as const satisfies Contender[]
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
export async function measureAllocations(tools: Tools, field: Field, rounds: number): Promise<Allocations> {
  const none = (): Rounds => ({ first: [], warm: [] })
  const measured = { ours: none(), before: none(), coturn: none() }
  const rivals = RIVALS.filter((rival) => rival !== 'before' || field.before !== null)
  for (let round = 0; round < rounds; round++) {
    for (const rival of inTurn(rivals, round)) {
      await withFresh(rival, field, tools, async (server) => {
        await tools.allocate(server, TRIED_BEFORE)
        measured[rival].first.push(await tools.allocate(server, MEASURED))
        measured[rival].warm.push(await tools.allocate(server, MEASURED))
      })
    }
    process.stderr.write(`allocations, round ${round + 1}\n`)
  }
  const held = async (server: Server) => [await tools.allocate(server, IDLE, IDLE_SECONDS)]
  const idle: Record<Rival, Runs<AllocationRun>> = { ours: [], before: [], coturn: [] }
  for (const rival of rivals) idle[rival] = await withFresh(rival, field, tools, held)
  process.stderr.write('idle allocations\n')
  return { ...measured, idle }
}

async function withFresh<Result>(
  rival: Rival,
  field: Field,
  tools: Tools,
  use: (server: Server) => Promise<Result>,
): Promise<Result> {
  const server = await Server.start(rival, field, tools)
  try {
    return await use(server)
  } finally {
    await server.stop()
  }
}

/** A table of both, and ours divided by the other. */
export function allocationRows({ ours, before, coturn, idle }: Allocations): string[][] {
  const row = (name: string, [our, old, their]: readonly Runs<AllocationRun>[], read: Read) => [
    name,
    ...[our!, old!, their!].map((runs) => cell(runs, (median) => median(read).toFixed(1))),
    fixed(ratio(our!, their!, read), 2),
    fixed(ratio(our!, old!, read), 3),
  ]
  const first = [ours.first, before.first, coturn.first]
  const warm = [ours.warm, before.warm, coturn.warm]
  return [
    ['per allocation', ...RIVALS, 'ours/coturn', 'ours/before'],
    row(`µs of CPU, first ${MEASURED}`, first, (run) => run.cpu_us_each),
    row(`µs of CPU, next ${MEASURED} (warm)`, warm, (run) => run.cpu_us_each),
    row('allocations/s, one after another, warm', warm, (run) => run.per_second),
    row('KiB resident', first, (run) => run.rss_kib_each),
    row(`% of a processor while ${IDLE} are idle`, [idle.ours, idle.before, idle.coturn], (run) => run.idle_cpu_pct),
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
