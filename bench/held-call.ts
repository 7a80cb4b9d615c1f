import { setTimeout as sleep } from 'node:timers/promises'
import { TurnClient } from '../src/client/turn-client.ts'
import { openWire } from '../src/client/wire.ts'
import { Address } from '../src/stun/address.ts'

const PACKET_EVERY_MS = 5
const LOOPBACK = Address.parse('127.0.0.1')!

/** One client that sends packets to a peer through a channel at even times. */
export class HeldCall {
  readonly #wire = openWire()
  #client: TurnClient | null = null
  readonly #packet = Buffer.alloc(4 + 160)
  #delays: number[] = []

  static async begin(port: number): Promise<HeldCall> {
    const call = new HeldCall()
    const wire = call.#wire
    const server = LOOPBACK.withPort(port)
    const login = { username: 'u', password: 'p' }
    const peer = await wire.open(LOOPBACK, (bytes, start, _end, _from, now) =>
      call.#delays.push(now - bytes.readDoubleBE(start)),
    )
    call.#client = await TurnClient.open(wire, { transport: 'udp', server, login, onData: () => {} })
    await call.#client.allocate(4)
    await call.#client.bind(peer.local)
    return call
  }

  async delays(seconds: number): Promise<{ delays: readonly number[]; lost: number }> {
    this.#delays = []
    const total = (seconds * 1000) / PACKET_EVERY_MS
    const since = performance.now()
    let sent = 0
    await new Promise<void>((done) => {
      this.#wire.onTurn = (now) => {
        if (sent >= total) done()
        else if (now < since + sent * PACKET_EVERY_MS) return
        else {
          this.#packet.writeDoubleBE(performance.now(), 4)
          this.#client!.send(this.#packet, 4, this.#packet.length)
          sent++
        }
      }
    })
    await sleep(1000)
    return { delays: this.#delays, lost: sent - this.#delays.length }
  }

  async end(): Promise<void> {
    await this.#client!.close()
    await this.#wire.close()
  }
}
