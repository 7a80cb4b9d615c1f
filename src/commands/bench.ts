import { type DirectionName, Load, type LoadOptions, type LoadResult, SMALLEST_PAYLOAD } from '../bench/load.ts'
import { json, progressLine, remarks, table } from '../bench/report.ts'
import { explain } from '../client/explain.ts'
import { TurnRefusal } from '../client/turn-client.ts'
import { parseServerUri, type ServerUri } from '../client/uri.ts'
import { addressesOf, addressTowards } from '../client/whereabouts.ts'
import { openWire, type Wire } from '../client/wire.ts'
import { UsageError } from '../config/config-error.ts'
import type { Flags } from '../config/flags.ts'
import { type LoadedConfig, loadConfig } from '../config/load.ts'
import { Address } from '../stun/address.ts'
import { ErrorCode } from '../stun/constants.ts'
import { type Credentials, mint } from '../turn/auth/credentials.ts'
import type { ClientTransport } from '../turn/five-tuple.ts'
import { ExitCode } from './exit-code.ts'
import type { Terminal } from './terminal.ts'

/** The words of the command line, as commander gives them. */
export interface BenchWords {
  readonly server?: string
  readonly user?: string
  readonly password?: string
  readonly secret?: string
  readonly allocations: string
  readonly rate: string
  readonly size: string
  readonly seconds: string
  readonly direction: string
  readonly transport?: string
  readonly peerAddress?: string
  readonly iOwnThisServer?: true
  readonly json?: true
}

/** Flags that stand for something else behind `bench` than in the configuration. */
export const BENCH_FLAGS: ReadonlySet<string> = new Set([
  'server',
  'user',
  'password',
  'secret',
  'allocations',
  'rate',
  'size',
  'seconds',
  'direction',
  'transport',
  'peer-address',
  'i-own-this-server',
])

const MAX_ALLOCATIONS = 10_000
const MAX_RATE = 500_000
const MAX_SECONDS = 3600
/** With ChannelData's header and ours below, what fits an Ethernet frame in one piece. */
const MAX_SIZE = 1400

/** Loads a TURN server of the caller's own and prints what got through and how fast. */
export async function bench(flags: Flags, words: BenchWords, terminal: Terminal): Promise<number> {
  const loaded = await loadConfig(flags)
  const wanted = readServer(words, loaded)
  const numbers = {
    allocations: whole('--allocations', words.allocations, 1, MAX_ALLOCATIONS),
    rate: whole('--rate', words.rate, 1, MAX_RATE),
    size: whole('--size', words.size, SMALLEST_PAYLOAD, MAX_SIZE),
    seconds: whole('--seconds', words.seconds, 1, MAX_SECONDS),
    directions: readDirections(words.direction),
  }
  const login = readLogin(words, loaded)
  const [server] = await addressesOf(wanted)
  if (server === undefined) throw new UsageError(`no address is known for ${wanted.host}`)
  const peerAddress = words.peerAddress === undefined ? await addressTowards(server) : readPeer(words.peerAddress)
  const serverName = Address.parse(wanted.host) === null ? wanted.host : null
  const options = { ...numbers, server, serverName, transport: wanted.transport, login, peerAddress }

  const wire = openWire()
  try {
    const result = await watched(wire, options, terminal)
    const notes = remarks(options, result, loaded.config['max-pps'])
    if (wire.reason !== null) notes.push(`packets go one by one over node:dgram: ${wire.reason}`)
    terminal.out(words.json ? json(options, result, notes) : table(options, result))
    if (!words.json) for (const note of notes) terminal.err(`! ${note}`)
    return ExitCode.OK
  } catch (error) {
    terminal.err(`webrtc-stack: ${explanation(error, options)}`)
    return ExitCode.FAILED
  } finally {
    await wire.close()
  }
}

/** Runs it, says how far it is, and ends it when the caller has had enough. */
async function watched(wire: Wire, options: LoadOptions, terminal: Terminal): Promise<LoadResult> {
  const stop = new AbortController()
  const interrupt = () => stop.abort()
  // Once: who asks a second time does not want to wait for the allocations to be given back.
  process.once('SIGINT', interrupt)
  // The terminal was closed, or somebody else ends it.
  process.once('SIGHUP', interrupt)
  process.once('SIGTERM', interrupt)
  const load = new Load(wire, options, stop.signal)
  const { live } = terminal
  const show = () => (live ?? terminal.err)(progressLine(load.progress, options))
  const timer = setInterval(show, live === undefined ? 1000 : 200)
  try {
    return await load.run()
  } finally {
    clearInterval(timer)
    live?.('')
    process.off('SIGINT', interrupt)
    process.off('SIGHUP', interrupt)
    process.off('SIGTERM', interrupt)
  }
}

function readServer({ server, transport, iOwnThisServer }: BenchWords, { config }: LoadedConfig): ServerUri {
  if (transport !== undefined && !/^(udp|tcp|tls)$/.test(transport))
    throw new UsageError('--transport is udp, tcp or tls')
  const local = `127.0.0.1:${config['listening-port']}`
  const uri = parseServerUri(server ?? local, { bare: 'turn', transport: transport as ClientTransport | undefined })
  if (typeof uri === 'string') throw new UsageError(`--server: ${uri}`)
  const { host } = uri
  const isOurs = host === 'localhost' || (Address.parse(host)?.isLoopback ?? false)
  if (!isOurs && !iOwnThisServer)
    throw new UsageError(
      `${host} is not this machine's loopback address. A load test of somebody else's server is an attack; if it is yours, say --i-own-this-server`,
    )
  return uri
}

function readDirections(word: string): DirectionName[] {
  if (word === 'both') return ['up', 'down']
  if (word === 'up' || word === 'down') return [word]
  throw new UsageError('--direction is up (client to peer), down or both')
}

function whole(flag: string, text: string, least: number, most: number): number {
  const value = /^\d+$/.test(text) ? Number(text) : Number.NaN
  if (!(value >= least && value <= most)) throw new UsageError(`${flag} takes a whole number from ${least} to ${most}`)
  return value
}

function readLogin({ user, password, secret }: BenchWords, { config, origins }: LoadedConfig): Credentials | null {
  if (user !== undefined && password !== undefined) return { username: user, password }
  if (user !== undefined || password !== undefined) throw new UsageError('--user and --password go together')
  const [configured] = origins.has('static-auth-secret') ? config['static-auth-secret'] : []
  const shared = secret ?? configured?.reveal()
  if (shared !== undefined) {
    const separator = config['rest-api-separator']
    return mint(shared, { userid: 'bench', lifetimeSeconds: 2 * MAX_SECONDS, wallMs: Date.now(), separator })
  }
  const account = config.user.find(({ password }) => password !== null)
  if (account !== undefined) return { username: account.name, password: account.password!.reveal() }
  if (config['no-auth']) return null
  throw new UsageError(
    'no login: give --user and --password, or --secret (static-auth-secret of the server), or run it where the configuration is',
  )
}

function readPeer(text: string): Address {
  const address = Address.parse(text)
  if (address === null) throw new UsageError('--peer-address takes an IP address of this machine')
  return address
}

function explanation(error: unknown, { server, peerAddress, transport, login }: LoadOptions): string {
  if (error instanceof TurnRefusal && error.code === ErrorCode.FORBIDDEN && error.what !== 'Allocate')
    return `${error.message}: the server does not relay to ${peerAddress.host}; set allow-loopback-peers there while you test, or --peer-address to another address of this machine`
  const code = error instanceof Error && 'code' in error ? String(error.code) : ''
  if (code === 'EMFILE' || code === 'ENFILE')
    return `no descriptors left (${code}): raise ulimit -n or lower --allocations`
  if (code === 'EADDRNOTAVAIL') return `${peerAddress.host} is no address of this machine; --peer-address takes one`
  const explained = explain(error, { server, transport, login, wallMs: Date.now() })
  if (explained === null) throw error
  return `${explained.trouble}: ${explained.fix}`
}
