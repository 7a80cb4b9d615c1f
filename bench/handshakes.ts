// What does a flood of TLS or DTLS handshakes on the TURN ports do to a call that is going on? How long the packets of a relayed
// call take without it and during it, with an RSA key and with an ECDSA key, from one address and from many.
//   npm run bench:handshakes -- --seconds 5 --rate 600
// The program that is measured is the one in the working directory.

import { execFile, execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { parseArgs, promisify } from 'node:util'
import { generate } from 'selfsigned'
import { HeldCall } from './held-call.ts'
import { fixed } from './runs.ts'
import { percentile, table } from './statistics.ts'
import { WatchedServer } from './watched-server.ts'

const { values: options } = parseArgs({
  options: {
    seconds: { type: 'string', default: '5' },
    /** Handshakes a second: more than one processor makes with RSA. */
    rate: { type: 'string', default: '600' },
    /** As many of them come at one moment. */
    burst: { type: 'string', default: '100' },
    /** Keys and ways of relaying with this in their name. */
    only: { type: 'string', default: '' },
  },
})
const seconds = Number(options.seconds)
const rate = Number(options.rate)
const burst = Number(options.burst)
if (!(seconds >= 1 && rate >= 1 && burst >= 1)) throw new Error('--seconds, --rate and --burst take 1 or more')

const FLOOD = fileURLToPath(new URL('./handshake-flood.js', import.meta.url))
const KEYS = {
  'RSA 2048': { keyType: 'rsa', keySize: 2048 },
  'ECDSA P-256': { keyType: 'ec', curve: 'P-256' },
} as const
const MANY = 500

const run = promisify(execFile)
// As in the other benchmarks: the server has a processor to itself.
execFileSync('taskset', ['-apc', '0', String(process.pid)])
const folder = mkdtempSync(join(tmpdir(), 'bench-handshakes-'))
const rows: string[][] = []
try {
  for (const [name, kind] of Object.entries(KEYS)) {
    const pair = await generate([{ name: 'commonName', value: 'localhost' }], { algorithm: 'sha256', ...kind })
    writeFileSync(join(folder, 'cert.pem'), pair.cert)
    writeFileSync(join(folder, 'key.pem'), pair.private)
    for (const io of ['batch', 'dgram']) if (`${name}, ${io}`.includes(options.only)) await measure(name, io)
  }
} finally {
  rmSync(folder, { recursive: true })
}
const head = ['key', 'relaying', 'flood', 'begun/s', 'answered/s', 'packets lost', 'p50, ms', 'p99', 'most']
process.stdout.write(`${table([head, ...rows])}\n`)

async function measure(key: string, io: string): Promise<void> {
  const server = await WatchedServer.start([
    ...['--listening-ip=127.0.0.1', '--relay-ip=127.0.0.1', '--allow-loopback-peers', '--user=u:p', '--realm=bench'],
    ...['--relay-threads=1', '--dtls', `--cert=${folder}/cert.pem`, `--pkey=${folder}/key.pem`],
    ...['--tls-listening-port=0', `--udp-io=${io}`],
  ])
  execFileSync('taskset', ['-apc', '1', String(server.pid)])
  const call = await HeldCall.begin(server.turnPorts.udp)
  try {
    await call.delays(1)
    const floods = [null, ...(['tls', 'dtls'] as const).flatMap((kind) => [1, MANY].map((from) => ({ kind, from })))]
    for (const flood of floods) {
      process.stderr.write(`${key}, ${io}, ${JSON.stringify(flood)}\n`)
      const port = flood?.kind === 'tls' ? server.turnPorts.tcp : server.turnPorts.udp
      const words = flood && [FLOOD, flood.kind, ...[port, rate, burst, seconds + 1, flood.from].map(String)]
      const running = words && run(process.execPath, words, { timeout: (seconds + 20) * 1000, killSignal: 'SIGKILL' })
      await sleep(500)
      const { delays, lost } = await call.delays(seconds)
      const { begun, answered } = JSON.parse((await running)?.stdout ?? '{"begun":0,"answered":0}')
      rows.push([
        ...[key, io],
        flood === null ? 'none' : `${flood.kind} from ${flood.from === 1 ? 'one address' : `${flood.from} addresses`}`,
        ...[begun, answered].map((count) => fixed(count / (seconds + 1), 0)),
        String(lost),
        ...[percentile(delays, 0.5), percentile(delays, 0.99), Math.max(...delays)].map((delay) => fixed(delay, 2)),
      ])
      // Until what still waits has been given up.
      await sleep(flood === null ? 0 : 12_000)
    }
  } finally {
    await call.end()
    await server.stop()
  }
}
