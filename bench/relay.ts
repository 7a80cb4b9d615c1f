import { mkdirSync, writeFileSync } from 'node:fs'
import { cpus, release } from 'node:os'
import { dirname } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { type Allocations, allocationRows, allocationTargets, measureAllocations } from './allocations.ts'
import { type Loss, lossName, lossRows, lossTargets, measureLoss } from './loss.ts'
import { type Measured, relayRows, relayTargets } from './relay-rows.ts'
import { inTurn, isFailure, lists } from './runs.ts'
import { type Scenario, scenarios } from './scenarios.ts'
import { CONTENDERS, type Contender, coturnVersion, type Family, type Field, Server } from './servers.ts'
import { table } from './statistics.ts'
import { type RelayRun, Tools } from './tools.ts'

// Ours against Debian's coturn and against the least that any program must do (udpfloor), on loopback, each pinned to one
// processor, the generator on another. All run side by side and idle while another is measured; the order alternates.

const { values: options } = parseArgs({
  options: {
    /** Rounds; each measures every contender once. */
    pairs: { type: 'string', default: '5' },
    seconds: { type: 'string', default: '2' },
    /** All combinations instead of those that the targets are about. */
    full: { type: 'boolean', default: false },
    /** Only what has this in its name: of a scenario, or `allocations`, or `lost`. */
    only: { type: 'string', default: '' },
    /** The folder of another build of ours, to be measured beside this one. */
    against: { type: 'string', default: '' },
    /** Relay threads; with 2 nobody is pinned to a processor. */
    threads: { type: 'string', default: '1' },
    out: { type: 'string', default: 'bench/results.json' },
  },
})
const pairs = positive('--pairs', options.pairs)
const seconds = positive('--seconds', options.seconds)
const field: Field = { before: options.against || null, threads: options.threads === '2' ? 2 : 1 }
// The floors have one thread.
const contenders = CONTENDERS.filter((name) => {
  if (name === 'before') return field.before !== null
  return field.threads === 1 || !name.startsWith('floor')
})
const isWanted = (name: string) => name.includes(options.only)
const wanted = scenarios(options.full, seconds).filter(({ name }) => isWanted(name))
// Where nobody is pinned there is no floor to compare with.
const bursts = [1, 8].filter((burst) => field.threads === 1 && isWanted(lossName(burst)))
if (wanted.length + bursts.length === 0 && !isWanted('allocations'))
  throw new Error(`nothing that is measured has "${options.only}" in its name`)
if (cpus().length < 2) throw new Error('two processors are needed: one for the server, one for the generator')

const began = performance.now()
const failures: string[] = []
const tools = new Tools('node_modules/.cache/bench-tools')
const results = {
  at: new Date().toISOString(),
  machine: {
    processor: cpus()[0]?.model,
    processors: cpus().length,
    kernel: release(),
    node: process.version,
    coturn: coturnVersion(),
  },
  options,
  relaying: [] as Measured[],
  losses: [] as Loss[],
  allocations: null as Allocations | null,
  targets: [] as string[][],
  failures,
}
process.stderr.write(`scenarios: ${wanted.length}, rounds: ${pairs}\n`)
if (wanted.length > 0 || bursts.length > 0) await measureTraffic()
if (isWanted('allocations')) results.allocations = await measureAllocations(tools, field, pairs)
if (results.allocations !== null) noteFailures('allocations', results.allocations)
show()

async function measureTraffic(): Promise<void> {
  await withServers(4, async (servers) => {
    for (const scenario of wanted.filter(({ family }) => family === 4)) await measure(scenario, servers)
    for (const burst of bursts) {
      const loss = await measureLoss(tools, servers, { burst, rounds: pairs, seconds })
      if (isFailure(loss)) failures.push(`${lossName(burst)}: ${loss.failed}`)
      else results.losses.push(loss)
      if (!isFailure(loss)) noteFailures(loss.name, loss.runs)
      progress(lossName(burst))
    }
  })
  const overIpv6 = wanted.filter(({ family }) => family === 6)
  if (overIpv6.length === 0) return
  await withServers(6, async (servers) => {
    for (const scenario of overIpv6) await measure(scenario, servers)
  })
}

async function withServers(family: Family, use: (servers: Map<Contender, Server>) => Promise<void>): Promise<void> {
  const servers = new Map<Contender, Server>()
  try {
    for (const contender of contenders) servers.set(contender, await Server.start(contender, field, tools, family))
    await use(servers)
  } finally {
    for (const server of servers.values()) await server.stop()
  }
}

async function measure(scenario: Scenario, servers: ReadonlyMap<Contender, Server>): Promise<void> {
  const runs = lists<Contender, RelayRun>(CONTENDERS)
  for (let round = 0; round < pairs; round++) {
    for (const contender of inTurn(contenders, round)) {
      runs[contender].push(await tools.relay(servers.get(contender)!, scenario.traffic))
      await pause(200)
    }
  }
  results.relaying.push({ scenario, runs })
  noteFailures(scenario.name, runs)
  progress(scenario.name)
}

function noteFailures(name: string, runs: object): void {
  for (const [key, value] of Object.entries(runs)) {
    if (isFailure(value)) failures.push(`${name}, run ${Number(key) + 1}: ${value.failed}`)
    else if (typeof value === 'object' && value !== null) noteFailures(isIndex(key) ? name : `${name}, ${key}`, value)
  }
}

function isIndex(key: string): boolean {
  return /^\d+$/.test(key)
}

/** An hour's figures are not lost with its last minute. */
function progress(done: string): void {
  save()
  process.stderr.write(`${((performance.now() - began) / 60_000).toFixed(1).padStart(5)} min  ${done}\n`)
}

function save(): void {
  mkdirSync(dirname(options.out), { recursive: true })
  writeFileSync(options.out, `${JSON.stringify(results, null, 2)}\n`)
}

function show(): void {
  const { relaying, losses, allocations, targets, machine } = results
  targets.push(...relayTargets(relaying), ...lossTargets(losses))
  if (allocations !== null) targets.push(...allocationTargets(allocations))
  save()
  const print = (rows: string[][]) => process.stdout.write(`${table(rows)}\n\n`)
  if (relaying.length > 0) print(relayRows(relaying))
  if (losses.length > 0) print(lossRows(losses))
  if (allocations !== null) print(allocationRows(allocations))
  print([['figure', 'target', 'measured'], ...targets])
  for (const failure of failures) process.stdout.write(`! ${failure}\n`)
  const { processors, processor, kernel, node, coturn } = machine
  process.stdout.write(
    `${processors} × ${processor}, Linux ${kernel}, Node ${node}, coturn ${coturn}. Details: ${options.out}\n`,
  )
  // A table with holes is no result.
  if (failures.length > 0) process.exitCode = 1
}

function positive(flag: string, text: string): number {
  const value = Number(text)
  if (!(value > 0)) throw new Error(`${flag} takes a number above 0`)
  return value
}
