import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { generate } from 'selfsigned'
import { expect, onTestFinished, vi } from 'vitest'
import { command } from '../commands/running.ts'
import { type ProgramOptions, program, type RunningProgram } from '../support/program.ts'
import { testCertificate, testSecret, testUser } from '../support/server.ts'
import { freePort } from '../support/sockets.ts'

interface Line {
  readonly level: 'ok' | 'warning' | 'failure'
  readonly subject: string
  readonly text: string
  readonly fix: string | null
}

/** A configuration file on loopback ports, and the server that runs with it or with another one. */
export class Patient {
  readonly folder = mkdtempSync(join(tmpdir(), 'webrtc-stack-doctor-'))
  readonly ports: Readonly<Record<'http' | 'https' | 'signaling' | 'turn' | 'tls', number>>
  readonly #keys: Readonly<Record<string, string>>

  static async on(keys: Readonly<Record<string, string>> = {}): Promise<Patient> {
    const [http, https, signaling, turn, tls] = [
      await freePort(),
      await freePort(),
      await freePort(),
      await freePort(),
      await freePort(),
    ]
    return new Patient({ http, https, signaling, turn, tls }, keys)
  }

  private constructor(ports: Patient['ports'], keys: Readonly<Record<string, string>>) {
    this.ports = ports
    this.#keys = {
      host: '127.0.0.1',
      'http-port': `${ports.http}`,
      'https-port': `${ports.https}`,
      port: `${ports.signaling}`,
      'listening-ip': '127.0.0.1',
      'listening-port': `${ports.turn}`,
      'tls-listening-port': `${ports.tls}`,
      // Below the ports that the system hands out by itself, which other tests hold by the thousand.
      'min-port': '10000',
      'max-port': '32767',
      'static-auth-secret': testSecret,
      user: `${testUser.name}:${testUser.password}`,
      realm: 'example.org',
      cert: testCertificate.cert,
      pkey: testCertificate.key,
      dtls: 'on',
      // The relays are on loopback, because a test has no other network.
      'allow-loopback-peers': 'on',
      ...keys,
    }
    onTestFinished(() => rmSync(this.folder, { recursive: true, force: true }))
  }

  /** Writes the file with these keys over those of the patient; '' leaves a key out. */
  file(name: string, changed: Readonly<Record<string, string>> = {}): string {
    const path = join(this.folder, name)
    const lines = Object.entries({ ...this.#keys, ...changed }).filter(([, value]) => value !== '')
    writeFileSync(path, lines.map(([key, value]) => `${key}=${value}\n`).join(''))
    return path
  }

  /** Starts the server with keys of its own. */
  async start(changed: Readonly<Record<string, string>> = {}, options: ProgramOptions = {}): Promise<RunningProgram> {
    const running = program.start(['-c', this.file('running.conf', changed)], options)
    await Promise.race([vi.waitFor(() => expect(running.out).toMatch(/\n/), { timeout: 15_000 }), running.ended])
    expect(running.isRunning, running.err).toBe(true)
    return running
  }

  /** What the doctor says who reads the patient's file. */
  async examined(...words: string[]): Promise<Report> {
    return await examined('-c', this.file('turnserver.conf'), ...words)
  }
}

export interface Report {
  readonly exitCode: number
  readonly lines: readonly Line[]
  /** `✗ TURN udp v4: …` for each that is not all right. */
  readonly complaints: readonly string[]
}

export async function examined(...words: string[]): Promise<Report> {
  const { exitCode, out, err } = await command('doctor', ...words, '--json')
  expect(err).toBe('')
  const { findings } = JSON.parse(out) as { findings: Line[] }
  const bad = findings.filter(({ level }) => level !== 'ok')
  const mark = { warning: '!', failure: '✗', ok: '✓' }
  const complaints = bad.map(({ level, subject, text, fix }) => `${mark[level]} ${subject}: ${text} → ${fix}`)
  return { exitCode, lines: findings, complaints }
}

/** A self-signed pair for localhost that ends in so many days. */
export async function certificateUntil(folder: string, days: number): Promise<{ cert: string; pkey: string }> {
  const [cert, pkey] = [join(folder, 'made.crt'), join(folder, 'made.key')]
  const DAY_MS = 86_400_000
  const pair = await generate([{ name: 'commonName', value: 'localhost' }], {
    keyType: 'ec',
    curve: 'P-256',
    algorithm: 'sha256',
    notBeforeDate: new Date(Date.now() - 90 * DAY_MS),
    notAfterDate: new Date(Date.now() + days * DAY_MS),
    extensions: [{ name: 'subjectAltName', altNames: [{ type: 2, value: 'localhost' }] }],
  })
  writeFileSync(cert, pair.cert)
  writeFileSync(pkey, pair.private)
  return { cert, pkey }
}
