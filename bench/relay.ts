import { mkdirSync, writeFileSync } from 'node:fs'
import { cpus, release } from 'node:os'
import { setTimeout as pause } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { type Contender, Server } from './servers.ts'
import { geometricMean, median, table } from './statistics.ts'
import { type AllocationRun, type RelayRun, Tools, type Traffic } from './tools.ts'

// Ours against Debian's coturn and against the least that any program must do (udpfloor), on loopback, each pinned to one
// processor, the generator on another. All run side by side and idle while another is measured; the order alternates.

const { values: options } = parseArgs({
  options: {
    /** Rounds; each measures every contender once. */
    pairs: { type: 'string', default: '5' },
    seconds: { type: 'string', default: '2' },
    /** All combinations instead of those that the targets are about. */
    full: { type: 'boolean', default: false },
    /** Only scenarios whose name holds this. */
    only: { type: 'string', default: '' },
    out: { type: 'string', default: 'bench/results.json' },
  },
})
const pairs = Number(options.pairs)
const seconds = Number(options.seconds)
const CONTENDERS: readonly Contender[] = ['ours', 'coturn', 'floor', 'floor with segments']

interface Scenario {
  readonly name: string
  readonly traffic: Traffic
}

interface Measured {
  readonly scenario: Scenario
  readonly runs: Record<Contender, (RelayRun | null)[]>
}

const tools = new Tools('node_modules/.cache/bench-tools')
const measured = await measureRelaying()
const allocations = options.only === '' ? await measureAllocations() : null
show()

function scenario(rate: number, burst: number, direction: 1 | 2 | 3, payload = 200, count = 16): Scenario {
  const way = { 1: 'up', 2: 'down', 3: 'both ways' }[direction]
  const name = `${rate / 1000} k/s, bursts of ${burst}, ${way}, ${payload} bytes, ${count} allocations`
  return { name, traffic: { allocations: count, payload, burst, direction, rate, seconds } }
}

function scenarios(): Scenario[] {
  if (!options.full) {
    return [
      ...[1, 8].flatMap((burst) => [1, 2].map((direction) => scenario(150_000, burst, direction as 1 | 2))),
      ...[1, 2].map((direction) => scenario(250_000, 8, direction as 1 | 2)),
      scenario(30_000, 1, 1),
      scenario(100_000, 8, 3, 1200),
      scenario(150_000, 8, 1, 200, 1000),
    ]
  }
  const all: Scenario[] = []
  for (const rate of [30_000, 150_000, 250_000])
    for (const burst of [1, 8])
      for (const direction of [1, 2] as const)
        for (const payload of [200, 1200])
          for (const count of [16, 1000]) all.push(scenario(rate, burst, direction, payload, count))
  return all
}

async function measureRelaying(): Promise<Measured[]> {
  const servers = new Map<Contender, Server>()
  try {
    for (const contender of CONTENDERS) servers.set(contender, await Server.start(contender, tools))
    const results: Measured[] = []
    for (const chosen of scenarios().filter(({ name }) => name.includes(options.only))) {
      const runs: Measured['runs'] = { ours: [], coturn: [], floor: [], 'floor with segments': [] }
      for (let round = 0; round < pairs; round++) {
        for (const contender of round % 2 === 0 ? CONTENDERS : CONTENDERS.toReversed()) {
          runs[contender].push(tools.relay(servers.get(contender)!, chosen.traffic))
          await pause(200)
        }
      }
      results.push({ scenario: chosen, runs })
      process.stderr.write(`${chosen.name}\n`)
    }
    return results
  } finally {
    for (const server of servers.values()) await server.stop()
  }
}

/** A fresh server for each run, because memory that was used once looks free. */
async function measureAllocations() {
  const runs: Record<'ours' | 'coturn', (AllocationRun | null)[]> = { ours: [], coturn: [] }
  for (let round = 0; round < pairs; round++) {
    for (const contender of round % 2 === 0 ? (['ours', 'coturn'] as const) : (['coturn', 'ours'] as const)) {
      const server = await Server.start(contender, tools)
      try {
        tools.allocate(server, 200)
        runs[contender].push(tools.allocate(server, 3000))
      } finally {
        await server.stop()
      }
    }
    process.stderr.write(`allocations, round ${round + 1}\n`)
  }
  const server = await Server.start('ours', tools)
  try {
    return { ...runs, idle: tools.allocate(server, 10_000, 10) }
  } finally {
    await server.stop()
  }
}

function show(): void {
  const rows = measured.map(({ scenario: { name }, runs }) => [
    name,
    ...CONTENDERS.map((contender) => {
      const all = runs[contender].filter((run) => run !== null)
      const cost = median(all.map((run) => run.us_per_pkt)).toFixed(2)
      const rate = (median(all.map((run) => run.rx_pps)) / 1000).toFixed(0)
      const delays = [median(all.map((run) => run.delay_p50_us)), median(all.map((run) => run.delay_p99_us))]
      return `${cost} µs, ${rate} k/s, ${delays.join('/')} µs`
    }),
    ratio(runs, 'coturn', (run) => run.us_per_pkt).toFixed(2),
    ratio(runs, 'floor', (run) => run.us_per_pkt).toFixed(2),
  ])
  const head = ['scenario (CPU per delivered packet, delivered/s, delay p50/p99)', ...CONTENDERS]
  process.stdout.write(`${table([[...head, 'CPU: ours/coturn', 'ours/floor'], ...rows])}\n\n`)

  const targets = summary()
  process.stdout.write(`${table([['figure', 'target', 'measured'], ...targets])}\n`)
  mkdirSync('bench', { recursive: true })
  const machine = { processor: cpus()[0]?.model, processors: cpus().length, kernel: release(), node: process.version }
  const at = new Date().toISOString()
  writeFileSync(options.out, `${JSON.stringify({ at, machine, options, measured, allocations, targets }, null, 2)}\n`)
  process.stdout.write(
    `\n${machine.processors} × ${machine.processor}, Linux ${machine.kernel}, Node ${machine.node}. Details: ${options.out}\n`,
  )
}

/** The median over rounds of ours divided by the other's, measured one after the other. */
function ratio(runs: Measured['runs'], other: Contender, read: (run: RelayRun) => number): number {
  const ratios = runs.ours.flatMap((ours, round) => {
    const theirs = runs[other][round] ?? null
    return ours === null || theirs === null || read(theirs) === 0 ? [] : [read(ours) / read(theirs)]
  })
  return median(ratios)
}

function summary(): string[][] {
  const at = (rate: number, more: (traffic: Traffic) => boolean = () => true) =>
    measured.filter(({ scenario: { traffic } }) => {
      return traffic.rate === rate && traffic.payload === 200 && traffic.allocations === 16 && more(traffic)
    })
  const mean = (rate: number, other: Contender, read: (run: RelayRun) => number) =>
    geometricMean(at(rate).map(({ runs }) => ratio(runs, other, read))).toFixed(2)
  const lines = [
    ['CPU per delivered packet at 150 k/s, ours/coturn', '≤ 0.80', mean(150_000, 'coturn', (run) => run.us_per_pkt)],
    ['the same, ours/floor', '≤ 1.15', mean(150_000, 'floor', (run) => run.us_per_pkt)],
    ['delivered/s of 250 k/s offered, ours/coturn', '≥ 1.3', mean(250_000, 'coturn', (run) => run.rx_pps)],
    ['delay p99 at 30 k/s, ours/coturn', '≤ 1.0', mean(30_000, 'coturn', (run) => run.delay_p99_us)],
  ]
  if (allocations === null) return lines
  const each = (read: (run: AllocationRun) => number) => {
    const pairsOf = allocations.ours.flatMap((ours, round) => {
      const theirs = allocations.coturn[round] ?? null
      return ours === null || theirs === null ? [] : [[read(ours), read(theirs)] as const]
    })
    const [ours, theirs] = [median(pairsOf.map(([a]) => a)), median(pairsOf.map(([, b]) => b))]
    return `${median(pairsOf.map(([a, b]) => a / b)).toFixed(2)} (${ours.toFixed(1)} / ${theirs.toFixed(1)})`
  }
  return [
    ...lines,
    ['CPU per allocation, ours/coturn (µs)', '≤ 0.5', each((run) => run.cpu_us_each)],
    ['resident memory per allocation, ours/coturn (KiB)', '≤ 0.5', each((run) => run.rss_kib_each)],
    ['CPU with 10 000 idle allocations', '< 1 %', `${allocations.idle?.idle_cpu_pct ?? Number.NaN} %`],
  ]
}
