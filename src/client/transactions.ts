import { HEADER_LENGTH } from '../stun/constants.ts'
import { StunMessage } from '../stun/message.ts'
import type { ClientTransport } from '../turn/five-tuple.ts'

/** The server has not answered at all. */
export class NoAnswer extends Error {
  /** What was sent. */
  readonly what: string

  constructor(what: string) {
    super(`no answer to ${what}`)
    this.name = 'NoAnswer'
    this.what = what
  }
}

/** A request's answer, success or error, and the time since the request was sent last. */
export interface Answer {
  readonly message: StunMessage
  readonly roundTripMs: number
}

/** RFC 8489 §6.2.1: the first retransmission after this, the next ones after twice as long each. */
const FIRST_TIMEOUT_MS = 500
const TRIES = 4

/** Streams lose nothing, they only take as long. */
export function isReliable(transport: ClientTransport): boolean {
  return transport === 'tcp' || transport === 'tls'
}

/** The requests of one client under way, and their answers by transaction id (RFC 8489 §6.2, §6.3). */
export class Transactions {
  readonly #send: (bytes: Buffer) => void
  readonly #isReliable: boolean
  readonly #waiting = new Map<string, (bytes: Buffer, now: number) => void>()

  constructor(send: (bytes: Buffer) => void, isReliable: boolean) {
    this.#send = send
    this.#isReliable = isReliable
  }

  /** Sends a whole request, again and again over datagrams; throws NoAnswer. `what` is its name in messages. */
  async request(what: string, request: Buffer, { tries = TRIES, send = this.#send } = {}): Promise<Answer> {
    const id = request.toString('latin1', 8, HEADER_LENGTH)
    let timer: NodeJS.Timeout | undefined
    try {
      return await new Promise<Answer>((resolve, reject) => {
        let sent = 0
        let sentAt = 0
        this.#waiting.set(id, (bytes, now) => {
          const message = StunMessage.parse(bytes)
          if (message !== null) resolve({ message, roundTripMs: now - sentAt })
        })
        const attempt = () => {
          if (sent === tries) return reject(new NoAnswer(what))
          if (sent === 0 || !this.#isReliable) {
            sentAt = performance.now()
            send(request)
          }
          timer = setTimeout(attempt, FIRST_TIMEOUT_MS * 2 ** sent++)
        }
        attempt()
      })
    } finally {
      clearTimeout(timer)
      this.#waiting.delete(id)
    }
  }

  /** Takes a message that came in, borrowed; what answers nothing is passed over. */
  receive(bytes: Buffer, start: number, end: number, now: number): void {
    if (end - start < HEADER_LENGTH) return
    this.#waiting.get(bytes.toString('latin1', start + 8, start + HEADER_LENGTH))?.(
      Buffer.from(bytes.subarray(start, end)),
      now,
    )
  }
}
