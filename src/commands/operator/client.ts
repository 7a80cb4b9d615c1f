import { type IncomingMessage, request } from 'node:http'
import type { Flags } from '../../config/flags.ts'
import { findOperatorSocket } from '../../config/load.ts'
import type { ConfigurationProblem } from '../../operator/reports.ts'
import { ExitCode } from '../exit-code.ts'

/** Why a command came to nothing, in one line, and the exit code that goes with it. */
export class OperatorFailure extends Error {
  readonly exitCode: number
  /** Of a configuration that was refused. */
  readonly problems: readonly ConfigurationProblem[]

  constructor(message: string, exitCode: number = ExitCode.FAILED, problems: readonly ConfigurationProblem[] = []) {
    super(message)
    this.exitCode = exitCode
    this.problems = problems
  }
}

/** Fields of a request; those that are undefined are left out. */
export type Fields = Readonly<Record<string, string | number | null | undefined>>

/** Longer than the server takes for anything, five threads that do not answer included. */
const PATIENCE_MS = 60_000

/** The running server, asked over its operator's socket. */
export class OperatorClient {
  readonly #paths: readonly string[]

  constructor(flags: Flags) {
    this.#paths = findOperatorSocket(flags)
    if (this.#paths.length === 0)
      throw new OperatorFailure('the configuration says operator-socket=off, so that no server can be asked')
  }

  /** The answer's body, which the server has made as docs/operator-api.md says. */
  async get<Answer>(path: string, query: Fields = {}): Promise<Answer> {
    const given = Object.entries(query).flatMap(([name, value]) => (value == null ? [] : [[name, String(value)]]))
    const text = new URLSearchParams(given).toString()
    return await this.#ask('GET', text === '' ? path : `${path}?${text}`, null)
  }

  async send<Answer>(method: 'POST' | 'PUT', path: string, body: Fields = {}): Promise<Answer> {
    return await this.#ask(method, path, JSON.stringify(body))
  }

  /** Of several usual places, the first where a server answers. */
  async #ask<Answer>(method: string, path: string, body: string | null): Promise<Answer> {
    const refusals: NodeJS.ErrnoException[] = []
    for (const socketPath of this.#paths) {
      try {
        return resultOf(await exchange(socketPath, method, path, body))
      } catch (error) {
        if (error instanceof OperatorFailure) throw error
        refusals.push(Object.assign(error as NodeJS.ErrnoException, { path: socketPath }))
      }
    }
    throw new OperatorFailure(whyNobody(refusals))
  }
}

interface Exchanged {
  readonly status: number
  readonly text: string
}

function exchange(socketPath: string, method: string, path: string, body: string | null): Promise<Exchanged> {
  return new Promise((resolve, reject) => {
    const headers =
      body === null ? {} : { 'Content-Type': 'application/json', 'Content-Length': Buffer.byteLength(body) }
    const asked = request({ socketPath, method, path, headers, timeout: PATIENCE_MS }, (answer: IncomingMessage) => {
      let text = ''
      answer.setEncoding('utf8')
      answer.on('data', (part: string) => {
        text += part
      })
      answer.on('error', reject)
      answer.on('end', () => resolve({ status: answer.statusCode ?? 0, text }))
    })
    asked.on('timeout', () => asked.destroy(Object.assign(new Error('no answer'), { code: 'ETIMEDOUT' })))
    asked.on('error', reject)
    asked.end(body ?? undefined)
  })
}

interface Refusal {
  readonly code: string
  readonly message: string
  readonly fix: string
  readonly problems?: readonly ConfigurationProblem[]
}

const EXIT_CODES: ReadonlyMap<string, number> = new Map([
  ['bad-request', ExitCode.USAGE],
  ['reload-refused', ExitCode.CONFIG],
])

function resultOf<Answer>({ status, text }: Exchanged): Answer {
  let body: unknown
  try {
    body = JSON.parse(text)
  } catch {
    throw new OperatorFailure('what listens there does not speak as this program does; is it another version?')
  }
  if (status === 200) return body as Answer
  const { error } = body as { readonly error?: Refusal }
  if (error === undefined) throw new OperatorFailure(`the server answers ${status}`)
  const { code, message, fix, problems } = error
  throw new OperatorFailure(`${message}; ${fix}`, EXIT_CODES.get(code), problems)
}

function whyNobody(refusals: readonly NodeJS.ErrnoException[]): string {
  const forbidden = refusals.find(({ code }) => code === 'EACCES' || code === 'EPERM')
  if (forbidden !== undefined)
    return `${forbidden.path} belongs to another user; run this as the user of the server, or as root (sudo)`
  const strange = refusals.find(({ code }) => code !== 'ENOENT' && code !== 'ECONNREFUSED' && code !== 'ENOTDIR')
  if (strange !== undefined) return `${strange.path} does not answer (${strange.code ?? strange.message})`
  const places = refusals.map(({ path }) => path).join(', ')
  return `no server is running here (looked at ${places}); if one is, name its socket with --operator-socket`
}
