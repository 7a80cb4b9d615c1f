// Run as a program of its own by dtls-fuzz.test.ts, because a fault in native code ends the whole process.
import { randomBytes } from 'node:crypto'
import { Address } from '../../src/stun/address.ts'
import { clientHello, cookieOf, extension, record } from './client-hello.ts'
import { DtlsHost } from './dtls-host.ts'

const [storm, seed = '0'] = process.argv.slice(2)
const SERVER_RUNS = 20

/** A reproducible stream of numbers below `limit` (mulberry32). */
let state = Number(seed)
function below(limit: number): number {
  state = (state + 0x6d2b79f5) | 0
  let mixed = Math.imul(state ^ (state >>> 15), state | 1)
  mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
  return limit === 0 ? 0 : ((mixed ^ (mixed >>> 14)) >>> 0) % limit
}

function mutate(bytes: Buffer): Buffer {
  let out = Buffer.from(bytes)
  for (let change = below(4); change >= 0; change--) {
    const at = below(out.length)
    switch (below(6)) {
      case 0:
        out[at] = below(256)
        break
      case 1:
        if (out.length > 0) out[at]! ^= 1 << below(8)
        break
      case 2:
        out = Buffer.concat([out.subarray(0, at), randomBytes(below(40)), out.subarray(at)])
        break
      case 3:
        out = Buffer.concat([out.subarray(0, at), out.subarray(Math.min(out.length, at + below(40)))])
        break
      case 4:
        out = Buffer.concat([out, bytes])
        break
      default:
        // A length field is two or three bytes of extremes.
        out.fill(below(2) === 0 ? 0 : 255, at, Math.min(out.length, at + 1 + below(3)))
    }
  }
  return out.subarray(0, 20_000)
}

const greeting = (host: DtlsHost, from: Address, random: Buffer) =>
  clientHello({ random, cookie: cookieOf(host.answers(clientHello({ random }), from)[0]!) })

/** Random and mutated datagrams to strangers, to handshakes under way, and mixed with real messages. */
function fuzz(rounds: number): void {
  for (let run = 0; run < SERVER_RUNS; run++) {
    const host = new DtlsHost({ handshakeFailed: () => {} }, { perSecond: 0 })
    const random = randomBytes(32)
    const seeds = [
      clientHello({ random }),
      clientHello({ random, extensions: extension(0, Buffer.from('000800000561626364650a', 'hex')) }),
      clientHello({ random, extensions: extension(16, Buffer.from('000a097374756e2e7475726e', 'hex')) }),
      clientHello({ random, fragment: 50 }),
      record(22, 0, 2, Buffer.concat([Buffer.from('100000210002000000000021', 'hex'), Buffer.of(32), randomBytes(32)])),
      record(22, 0, 2, Buffer.concat([Buffer.from('10ffffff0002000000000020', 'hex'), randomBytes(32)])),
      record(20, 0, 3, Buffer.of(1)),
      record(22, 1, 0, randomBytes(40)),
      record(21, 0, 4, Buffer.of(2, 40)),
      record(21, 0, 4, Buffer.of(1, 0)),
      record(23, 1, 1, randomBytes(60)),
      record(24, 0, 1, Buffer.of(1, 255, 255)),
    ]
    for (let round = 0; round < rounds / SERVER_RUNS; round++) {
      const from = Address.ipv4(0x0a000000 + below(16), 1 + below(4))
      switch (below(8)) {
        case 0:
          host.receive(randomBytes(below(300)), from)
          break
        case 1:
          host.receive(Buffer.concat([Buffer.of(20 + below(44)), randomBytes(below(100))]), from)
          break
        case 2: {
          const cookie = host.answers(seeds[0]!, from)[0]
          if (cookie !== undefined && cookie[13] === 3)
            host.receive(clientHello({ random: randomBytes(32), cookie: cookieOf(cookie) }), from)
          break
        }
        case 3: {
          const cookie = host.answers(clientHello({ random: randomBytes(32) }), from)[0]
          if (cookie !== undefined && cookie[13] === 3)
            host.receive(mutate(clientHello({ random, cookie: cookieOf(cookie) })), from)
          break
        }
        default:
          host.receive(mutate(seeds[below(seeds.length)]!), from)
      }
      if (below(500) === 0) {
        host.now += below(4_000)
        host.server.sweep(host.now)
      }
      if (host.sent.length > 1_000) host.sent.length = 0
    }
    // Whatever came before, an honest client is served.
    host.now += 20_000
    host.server.sweep(host.now)
    const honest = Address.ipv4(0xc0000202, 1000)
    const flight = host.answers(greeting(host, honest, randomBytes(32)), honest)
    if (flight[0]?.[13] !== 2) throw new Error('an honest client got no ServerHello')
    host.server.close()
  }
}

/** ClientHellos without a cookie, each of an address of its own; prints what 10 000 add to the resident memory. */
function spoof(): void {
  const host = new DtlsHost()
  const hello = clientHello()
  const flood = (network: number) => {
    for (let index = 0; index < 10_000; index++) {
      host.receive(hello, Address.ipv4(network + index, 1024 + (index % 60_000)))
      host.sent.length = 0
    }
    globalThis.gc!()
    return process.memoryUsage().rss
  }
  flood(0x0a000000)
  const before = flood(0x0b000000)
  const growth = flood(0x0c000000) - before
  const { cookiesSent, handshakes, sessions, opened } = host.server.counters
  console.log(JSON.stringify({ growth, cookiesSent, handshakes, sessions, opened }))
  host.server.close()
}

/** Handshakes that are begun, stuffed with all that OpenSSL would keep for them, and left. */
function abandon(): void {
  const host = new DtlsHost()
  const begin = () => {
    for (let index = 0; index < 100; index++) {
      const from = Address.ipv4(0x0a000000 + index, 1024)
      host.receive(greeting(host, from, randomBytes(32)), from)
      for (let early = 0; early < 100; early++) host.receive(record(22, 1, early, randomBytes(64)), from)
      for (const claimed of [4096, 16_383, 0xffffff])
        for (let message = 0; message < 100; message++) {
          const header = Buffer.from('10000000000000000000000100', 'hex')
          header.writeUIntBE(claimed, 1, 3)
          header.writeUInt16BE(3 + message, 4)
          host.receive(record(22, 0, 10 + message, header), from)
        }
      host.sent.length = 0
    }
    globalThis.gc!()
    const { rss } = process.memoryUsage()
    const { handshakes } = host.server.counters
    host.now += 10_000
    host.server.sweep(host.now)
    return { rss, handshakes }
  }
  const empty = process.memoryUsage().rss
  const { rss, handshakes } = begin()
  for (let round = 0; round < 8; round++) begin()
  const settled = begin().rss
  for (let round = 0; round < 8; round++) begin()
  console.log(JSON.stringify({ each: (rss - empty) / handshakes, handshakes, growth: begin().rss - settled }))
  host.server.close()
}

if (storm === 'fuzz') fuzz(100_000)
else if (storm === 'spoof') spoof()
else abandon()
console.log('survived')
