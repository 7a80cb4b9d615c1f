// Do calls still get through while the relay is saturated? How long /healthz and a signaling message take on the server
// while a load generator offers its TURN server more than it can relay, against the same on the idle server.
//   npm run bench:responsiveness -- --seconds 10 --out bench/responsiveness.json

import { writeFileSync } from 'node:fs'
import { cpus, release } from 'node:os'
import { parseArgs } from 'node:util'
import { BareServer } from './bare-server.ts'
import { type Delays, HttpProbe, type Probe, probeAll, SignalingProbe } from './probes.ts'
import { fixed, isFailure } from './runs.ts'
import { table } from './statistics.ts'
import { type Failure, type RelayRun, Tools } from './tools.ts'
import { WatchedServer } from './watched-server.ts'

const { values: options } = parseArgs({
  options: {
    seconds: { type: 'string', default: '10' },
    out: { type: 'string', default: 'bench/responsiveness.json' },
  },
})
const seconds = Number(options.seconds)
if (!(seconds >= 1)) throw new Error('--seconds takes 1 or more')

/** As it comes, and what it would be without threads or without batches. */
const VARIANTS: readonly (readonly [string, readonly string[]])[] = [
  ['default', []],
  ['relay-threads=0', ['--relay-threads=0']],
  ['udp-io=dgram', ['--udp-io=dgram']],
]
/** More than any server here relays. */
const LOAD = { allocations: 16, payload: 200, burst: 8, direction: 1, rate: 250_000 } as const
const WARM_UP_SECONDS = 2

interface Measured {
  readonly server: string
  readonly idle: Readonly<Record<string, Delays>>
  readonly loaded: Readonly<Record<string, Delays>>
  readonly traffic: RelayRun | Failure
}

const tools = new Tools('node_modules/.cache/bench-tools')
const measured: Measured[] = []
for (const [name, flags] of VARIANTS) {
  process.stderr.write(`${name}\n`)
  measured.push(await measure(name, flags))
}
show()

async function measure(name: string, flags: readonly string[]): Promise<Measured> {
  const server = await WatchedServer.start([
    ...['--listening-ip=127.0.0.1', '--relay-ip=127.0.0.1', '--allow-loopback-peers', '--user=u:p', '--realm=bench'],
    ...['--max-pps=0', ...flags],
  ])
  // What the machine itself does to a program that has nothing to do with the relay.
  const bare = await BareServer.start()
  const probes: Record<string, Probe> = {
    '/healthz': new HttpProbe(server.httpPort, '/healthz'),
    'signaling message': await SignalingProbe.open(server.httpPort),
    'a bare Node server beside it': new HttpProbe(bare.port, '/'),
  }
  try {
    // Code that has not run yet is slow, on the idle server, too.
    await probeAll(probes, WARM_UP_SECONDS)
    const idle = await probeAll(probes, seconds)
    const target = { host: '127.0.0.1', port: server.turnPorts.udp, pid: server.pid }
    const traffic = tools.relay(target, { ...LOAD, seconds: seconds + 1, warmUpSeconds: WARM_UP_SECONDS })
    await new Promise((warm) => setTimeout(warm, WARM_UP_SECONDS * 1000))
    const loaded = await probeAll(probes, seconds)
    return { server: name, idle, loaded, traffic: await traffic }
  } finally {
    for (const probe of Object.values(probes)) probe.close()
    bare.stop()
    await server.stop()
  }
}

function show(): void {
  const text = ({ p50, p99, unanswered }: Delays) =>
    `${fixed(p50, 1)} / ${fixed(p99, 1)}${unanswered > 0 ? `, ${unanswered} unanswered` : ''}`
  const rows = measured.flatMap(({ server, idle, loaded, traffic }) => {
    const relayed = isFailure(traffic)
      ? `failed: ${traffic.failed}`
      : `${(traffic.rx_pps / 1000).toFixed(0)} of ${(traffic.tx_pps / 1000).toFixed(0)} k/s`
    return Object.keys(idle).map((what) => [server, what, text(idle[what]!), text(loaded[what]!), relayed])
  })
  const head = ['server', 'delay p50 / p99, ms', 'idle', 'while the relay is full', 'relayed']
  process.stdout.write(`${table([head, ...rows])}\n`)
  const machine = { processor: cpus()[0]?.model, processors: cpus().length, kernel: release(), node: process.version }
  const at = new Date().toISOString()
  writeFileSync(options.out, `${JSON.stringify({ at, machine, options, load: LOAD, measured }, null, 2)}\n`)
  const { processors, processor, kernel, node } = machine
  process.stdout.write(
    `\n${processors} × ${processor}, Linux ${kernel}, Node ${node}; the generator and these probes run on the same processors. Details: ${options.out}\n`,
  )
  if (measured.some(({ traffic }) => isFailure(traffic))) process.exitCode = 1
}
