import { once } from 'node:events'
import { Agent, get } from 'node:http'
import { WebSocket } from 'ws'
import { percentile } from './statistics.ts'

/** Milliseconds. */
export interface Delays {
  readonly p50: number
  readonly p99: number
  readonly max: number
  readonly asked: number
  readonly unanswered: number
}

/** Something that is asked now and answers later. */
export interface Probe {
  ask(answered: (delayMs: number) => void): void
  close(): void
}

const EVERY_MS = 10
const PATIENCE_MS = 5000

/** Asks all of them at even times, whether the last answer has come or not: a slow server is not asked less often. */
export async function probeAll(
  probes: Readonly<Record<string, Probe>>,
  seconds: number,
): Promise<Record<string, Delays>> {
  const delays = Object.fromEntries(Object.keys(probes).map((name) => [name, [] as number[]]))
  const total = Math.floor((seconds * 1000) / EVERY_MS)
  const began = performance.now()
  let asked = 0
  await new Promise<void>((done) => {
    const timer = setInterval(() => {
      // Of this program's own delays only those of its timer are made up for.
      for (; asked < total && performance.now() >= began + asked * EVERY_MS; asked++)
        for (const [name, probe] of Object.entries(probes)) probe.ask((delayMs) => delays[name]!.push(delayMs))
      if (asked < total) return
      clearInterval(timer)
      done()
    }, EVERY_MS / 2)
  })
  const isAnswered = () => Object.values(delays).every(({ length }) => length === total)
  const until = performance.now() + PATIENCE_MS
  while (!isAnswered() && performance.now() < until) await new Promise((later) => setTimeout(later, EVERY_MS))
  return Object.fromEntries(Object.entries(delays).map(([name, values]) => [name, summary(values, total)]))
}

function summary(values: readonly number[], asked: number): Delays {
  const unanswered = asked - values.length
  // What never came took longest.
  const all = [...values, ...Array<number>(unanswered).fill(PATIENCE_MS)]
  return { p50: percentile(all, 0.5), p99: percentile(all, 0.99), max: Math.max(...all), asked, unanswered }
}

/** From the request to the end of the answer, over connections that are kept. */
export class HttpProbe implements Probe {
  readonly #agent = new Agent({ keepAlive: true })
  readonly #port: number
  readonly #path: string

  constructor(port: number, path: string) {
    this.#port = port
    this.#path = path
  }

  ask(answered: (delayMs: number) => void): void {
    const asked = performance.now()
    get({ host: '127.0.0.1', port: this.#port, path: this.#path, agent: this.#agent }, (response) => {
      response.resume()
      response.on('end', () => {
        if (response.statusCode === 200) answered(performance.now() - asked)
      })
      // No answer, and counted as that.
    }).on('error', () => {})
  }

  close(): void {
    this.#agent.destroy()
  }
}

/** From one client of a room to the other, as a call's offers and candidates go. */
export class SignalingProbe implements Probe {
  readonly #from: WebSocket
  readonly #to: WebSocket
  readonly #waiting = new Map<string, (now: number) => void>()
  #next = 0

  static async open(port: number): Promise<SignalingProbe> {
    const room = `bench-${process.pid}`
    return new SignalingProbe(await member(port, room, 'a'), await member(port, room, 'b'))
  }

  private constructor(from: WebSocket, to: WebSocket) {
    this.#from = from
    this.#to = to
    to.on('message', (frame) => {
      const { msg } = JSON.parse(`${frame}`) as { msg: string }
      this.#waiting.get(msg)?.(performance.now())
      this.#waiting.delete(msg)
    })
  }

  ask(answered: (delayMs: number) => void): void {
    const msg = `${this.#next++}`
    const asked = performance.now()
    this.#waiting.set(msg, (now) => answered(now - asked))
    this.#from.send(JSON.stringify({ cmd: 'send', msg }))
  }

  close(): void {
    this.#from.terminate()
    this.#to.terminate()
  }
}

async function member(port: number, roomid: string, clientid: string): Promise<WebSocket> {
  const socket = new WebSocket(`ws://127.0.0.1:${port}/ws`)
  await once(socket, 'open')
  socket.send(JSON.stringify({ cmd: 'register', roomid, clientid }))
  return socket
}
