/** What a web client hears that has found a TURN port. */
export interface HttpOptions {
  /** `respond-http-unsupported`: a short 400 instead of a closed connection. */
  readonly respondUnsupported: boolean
  /** `acme-redirect`: where challenges of a certificate authority are answered; plain TCP only. */
  readonly acmeRedirect: string | null
}

// Enough for the header of any request that is answered with a redirect.
const MAX_HEADER = 4096

/** The whole answer to a request that begins with `bytes`, null for none, `more` when its header has not come whole. */
export function answerHttp(bytes: Buffer, encrypted: boolean, options: HttpOptions): string | null | 'more' {
  if (options.acmeRedirect !== null && !encrypted) {
    const header = /^.*?\n\r?\n/s.exec(bytes.toString('latin1', 0, MAX_HEADER))?.[0]
    if (header === undefined && bytes.length < MAX_HEADER) return 'more'
    // RFC 8555 §8.3: the token is base64url.
    const challenge = /^GET \/\.well-known\/acme-challenge\/([\w-]{1,256}) HTTP\/1\.[01]\r?\n/.exec(header ?? '')
    if (challenge !== null) {
      if ((header!.match(/\nhost[ \t]*:/gi) ?? []).length > 1) return response('400 Bad Request', 'Two Host headers.\n')
      return response('301 Moved Permanently', 'Moved.\n', `Location: ${options.acmeRedirect}${challenge[1]}\r\n`)
    }
  }
  return options.respondUnsupported ? response('400 Bad Request', 'HTTP is not supported on this port.\n') : null
}

function response(status: string, body: string, headers = ''): string {
  return `HTTP/1.1 ${status}\r\n${headers}Content-Type: text/plain\r\nContent-Length: ${body.length}\r\nConnection: close\r\n\r\n${body}`
}
