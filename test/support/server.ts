import { randomBytes } from 'node:crypto'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, inject, onTestFinished, vi } from 'vitest'
import { readFlags } from '../../src/config/flags.ts'
import { type LoadedConfig, loadConfig } from '../../src/config/load.ts'
import { createLog, type ProcessLog } from '../../src/log.ts'
import type { NetCounters } from '../../src/net/counters.ts'
import type { ReloadReport } from '../../src/operator/reports.ts'
import { type RunningServer, startServer } from '../../src/server.ts'
import type { TurnReadings } from '../../src/threads/shared-counters.ts'
import type { Counters } from '../../src/turn/counters.ts'
import { sessionsOf } from './sessions.ts'

/** Options by key; a list repeats its key. */
export type TestOptions = Readonly<Record<string, string | readonly string[] | boolean>>

declare module 'vitest' {
  /** Given to the suites of a running server by vitest.config.ts, which runs them once for each. */
  export interface ProvidedContext {
    readonly udpIo?: UdpIo
  }
}

export type UdpIo = 'batch' | 'dgram'

/** How the servers of this run move packets; null in a suite that is not run for each way. */
export const udpIo: UdpIo | null = inject('udpIo') ?? null

export const testSecret = 'north-of-the-river'
export const testUser = { name: 'alice', password: 'under-the-mountain' } as const
export const testCertificate = { cert: certificateFile('localhost-rsa.crt'), key: certificateFile('localhost-rsa.key') }

const ON_LOOPBACK: TestOptions = {
  host: '127.0.0.1',
  'http-port': '0',
  'https-port': '0',
  port: '0',
  'listening-ip': '127.0.0.1',
  'listening-port': '0',
  'tls-listening-port': '0',
  // Below the ports that the system hands out by itself, which other tests hold by the thousand.
  'min-port': '10000',
  'max-port': '32767',
  // Peers are on this machine, because there is no other.
  'allow-loopback-peers': true,
  // Tests must know what to log in with, by password and with a temporary name.
  'static-auth-secret': testSecret,
  user: `${testUser.name}:${testUser.password}`,
  // TLS has no ports without them.
  cert: testCertificate.cert,
  pkey: testCertificate.key,
}

/**
 * The whole server in this process, put together from flags as `serve` does it. Each endpoint is on loopback, with the port
 * that the system chose; secret, user and certificate are the ones of this file unless `options` say otherwise.
 */
export async function startTestServer(options: TestOptions = {}): Promise<TestServer> {
  const folder = mkdtempSync(join(tmpdir(), 'webrtc-stack-e2e-'))
  const loaded = await loadForTest(options)
  const logFile = join(folder, 'log')
  const log = createLog({ level: 'debug', pretty: false, destination: logFile })
  const source = { load: async () => loaded }
  const running = await startServer(loaded, { log, load: () => source.load() })
  const server = new TestServer(running, folder, { log, file: logFile }, source)
  if (udpIo !== null) expect(server.udpIo, 'how packets are moved').toBe(udpIo)
  return server
}

/** The configuration of such a server. */
export async function loadForTest(options: TestOptions = {}): Promise<LoadedConfig> {
  const nowhere = join(tmpdir(), 'webrtc-stack-e2e-nowhere')
  return await loadConfig(readFlags(commandLine(options), new Set()), {
    directory: nowhere,
    programDirectory: nowhere,
    environment: {},
    interfaces: new Map([['lo', ['127.0.0.1', '::1']]]),
    resolve: async (host) => {
      throw new Error(`a test asks for the address of ${host}`)
    },
    accountFile: null,
    domainName: null,
    operatorSocket: null,
    // Each server of the tests is a run of its own.
    runSecret: () => randomBytes(32).toString('base64url'),
  })
}

/** One for a single test, which closes it; with one thread, whose limits are those of the whole server. */
export async function startForTest(options: TestOptions = {}): Promise<TestServer> {
  const server = await startTestServer({ 'relay-threads': '1', ...options })
  onTestFinished(() => server.close())
  return server
}

/** The same server's flags, for tests of the program itself. */
export function commandLine(options: TestOptions = {}): string[] {
  if (udpIo === null && !('udp-io' in options))
    throw new Error('vitest.config.ts lists the suites that run for each udp-io; elsewhere a test has to name one')
  return ['-n', ...words({ ...ON_LOOPBACK, ...(udpIo === null ? {} : { 'udp-io': udpIo }), ...options })]
}

export class TestServer {
  readonly running: RunningServer
  readonly #folder: string
  #wantedErrors = 0
  readonly #logged: { readonly log: ProcessLog; readonly file: string }
  /** What a reload reads. */
  readonly source: { load: () => Promise<LoadedConfig> }

  constructor(
    running: RunningServer,
    folder: string,
    logged: { readonly log: ProcessLog; readonly file: string },
    source: { load: () => Promise<LoadedConfig> },
  ) {
    this.source = source
    this.running = running
    this.#folder = folder
    this.#logged = logged
  }

  get turn() {
    return this.running.turn!
  }

  /** Reads the configuration again: from now on this one, or the same. */
  reload(load = this.source.load): Promise<ReloadReport> {
    this.source.load = load
    return this.running.operations.reload()
  }

  /** How it really moves packets. */
  get udpIo(): UdpIo {
    return this.turn.workers === null ? 'dgram' : 'batch'
  }

  /** What all threads together relay now and have counted so far: each is asked, and has obeyed all that it was told before. */
  async readings(): Promise<TurnReadings> {
    if (this.turn.workers !== null) await sessionsOf(this.turn.workers)
    return this.turn.readings()
  }

  async counters(): Promise<Counters> {
    return (await this.readings()).turn
  }

  async net(): Promise<NetCounters> {
    return (await this.readings()).net
  }

  /** Allocations and relay sockets there are now. */
  async holds(): Promise<{ readonly allocations: number; readonly relays: number }> {
    const { allocations, relays } = await this.readings()
    return { allocations: Object.values(allocations).reduce((sum, count) => sum + count), relays: relays.open }
  }

  /** Where TURN answers over each transport. */
  get ports() {
    const { udp, tcp, tls, dtls } = this.turn.ports
    return { udp: udp!, tcp: tcp!, tls: tls!, dtls }
  }

  /** TURN's first UDP port on one of several listening addresses. */
  udpPort(host: string): number {
    return this.turn.bound.find(({ transport, address }) => transport === 'udp' && address.host === host)!.address.port
  }

  get url(): string {
    return `http://127.0.0.1:${this.running.web!.http!.port}`
  }

  get httpsUrl(): string {
    return `https://127.0.0.1:${this.running.web!.https!.port}`
  }

  /** Everything that all threads have logged so far. */
  async log(): Promise<Line[]> {
    await this.readings()
    return linesOf(await this.#logText())
  }

  /** The errors that have been logged, which the test has wanted: they are no complaints. */
  async takeErrors(): Promise<string[]> {
    const errors = (await this.log()).filter(({ level }) => level === 'error').map(({ msg }) => String(msg))
    this.#wantedErrors = errors.length
    return errors
  }

  /** Waits until each client has given its allocation back, and each relay socket is closed. */
  async expectNoAllocations(): Promise<void> {
    await vi.waitFor(
      async () => {
        const { allocations, relays, turn } = await this.readings()
        expect(allocations, 'allocations that nobody gave back').toEqual({ udp: 0, dtls: 0, tcp: 0, tls: 0 })
        expect(relays.open, 'relay sockets without an allocation').toBe(0)
        expect(turn.allocationsEnded).toBe(turn.allocationsCreated)
      },
      { timeout: 10_000 },
    )
  }

  /** Stops the server, which must have had nothing to complain about and kept its secrets. */
  async close(): Promise<void> {
    await this.running.close()
    const text = await this.#logText()
    const complaints = linesOf(text).filter(({ level }) => level === 'error' || level === 'fatal')
    rmSync(this.#folder, { recursive: true })
    expect(complaints.slice(this.#wantedErrors)).toEqual([])
    for (const secret of [testSecret, testUser.password]) expect(text).not.toContain(secret)
  }

  async #logText(): Promise<string> {
    const { log, file } = this.#logged
    await log.output.written(5000)
    return readFileSync(file, 'utf8')
  }
}

type Line = Readonly<Record<string, unknown>>

/** One object a line. */
function linesOf(text: string): Line[] {
  const lines = text.split('\n').filter((line) => line !== '')
  return lines.map((line) => JSON.parse(line) as Line)
}

function words(options: TestOptions): string[] {
  return Object.entries(options).flatMap(([key, value]) => [value].flat().map((item) => `--${key}=${item}`))
}

/** The path of one of the certificates and keys in test/fixtures. */
export function certificateFile(name: string): string {
  return fileURLToPath(new URL(`../fixtures/certificates/${name}`, import.meta.url))
}
