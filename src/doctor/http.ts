import { request as plainRequest } from 'node:http'
import { request as secureRequest } from 'node:https'

export interface HttpAnswer {
  readonly status: number
  /** How far the server's clock is ahead by its Date header; null without one. */
  readonly aheadSeconds: number | null
  readonly location: string | null
  readonly text: string
}

const PATIENCE_MS = 8000
const MOST_BYTES = 1_048_576

/** Asks once, whoever signed the certificate, which has a line of its own. Throws what the system says. */
export function ask(method: 'GET' | 'POST', url: URL): Promise<HttpAnswer> {
  const request = url.protocol === 'https:' ? secureRequest : plainRequest
  const options = { method, rejectUnauthorized: false, signal: AbortSignal.timeout(PATIENCE_MS), agent: false as const }
  const headers = { origin: url.origin, 'content-length': 0 }
  return new Promise((resolve, reject) => {
    request(url, { ...options, headers }, (response) => {
      const chunks: Buffer[] = []
      let length = 0
      response.on('data', (chunk: Buffer) => {
        length += chunk.length
        if (length > MOST_BYTES) response.destroy(new Error(`more than ${MOST_BYTES} bytes`))
        else chunks.push(chunk)
      })
      response.on('error', reject)
      response.on('end', () => {
        const date = Date.parse(response.headers.date ?? '')
        resolve({
          status: response.statusCode ?? 0,
          aheadSeconds: Number.isNaN(date) ? null : (date - Date.now()) / 1000,
          location: response.headers.location ?? null,
          text: Buffer.concat(chunks).toString(),
        })
      })
    })
      .on('error', reject)
      .end()
  })
}

/** In an operator's words. */
export function httpTrouble(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  if (error.name === 'AbortError' || error.name === 'TimeoutError') return `no answer within ${PATIENCE_MS / 1000} s`
  const { code } = error as NodeJS.ErrnoException
  return code === 'ECONNREFUSED' ? 'nobody listens there (ECONNREFUSED)' : (code ?? error.message)
}

/** Null for what is no JSON, or no object. */
export function jsonObject(text: string): object | null {
  try {
    const value: unknown = JSON.parse(text)
    return typeof value === 'object' ? value : null
  } catch {
    return null
  }
}
