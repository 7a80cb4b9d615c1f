import { randomBytes } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Address } from '../stun/address.ts'
import { CHANNEL_DATA_HEADER } from '../turn/framing.ts'
import { NoAnswer } from './transactions.ts'
import { TurnClient, type TurnClientOptions } from './turn-client.ts'
import type { Wire } from './wire.ts'

export interface RelayEcho {
  /** Where the server sees the first client; null where it does not say. */
  readonly mapped: Address | null
  readonly relayed: readonly [Address, Address]
  readonly software: string | null
  /** Of the Allocate that was granted. */
  readonly allocateMs: number
  /** Packets that went from one client over both relays to the other and back. */
  readonly sent: number
  readonly returned: number
  /** Median of those that came back. */
  readonly roundTripMs: number
}

export interface RelayEchoOptions extends Omit<TurnClientOptions, 'onData'> {
  /** Of the relayed addresses. */
  readonly family: 4 | 6
}

const PACKETS = 20
const APART_MS = 20
/** The last packets are waited for until none has come for this long. */
const QUIET_MS = 1000
/** A random number that marks this run, then the packet's own number, big endian. */
const PAYLOAD = 100

/**
 * Two clients with an allocation each send packets over both relays, and the second sends each one back. Throws TurnRefusal,
 * NoAnswer (also where no packet at all arrives), and what the system says of the connection.
 */
export async function relayEcho(wire: Wire, options: RelayEchoOptions): Promise<RelayEcho> {
  const run = randomBytes(4).readUInt32BE()
  const sentAt: number[] = []
  const times: number[] = []
  let arrived = 0
  let lastAt = 0
  const numberOf = (bytes: Buffer, start: number, end: number) =>
    end - start === PAYLOAD && bytes.readUInt32BE(start) === run ? bytes.readUInt32BE(start + 4) : -1
  const open = (onData: TurnClientOptions['onData']) => TurnClient.open(wire, { ...options, onData })

  const clients: TurnClient[] = []
  try {
    const near = await open((bytes, start, end, now) => {
      const at = sentAt[numberOf(bytes, start, end)]
      if (at === undefined) return
      times.push(now - at)
      lastAt = now
    })
    clients.push(near)
    const far = await open((bytes, start, end, now) => {
      if (numberOf(bytes, start, end) < 0) return
      arrived++
      lastAt = now
      const copy = Buffer.alloc(CHANNEL_DATA_HEADER + PAYLOAD)
      bytes.copy(copy, CHANNEL_DATA_HEADER, start, end)
      far.send(copy, CHANNEL_DATA_HEADER, copy.length)
    })
    clients.push(far)
    const granted = await near.allocate(options.family)
    await far.allocate(options.family)
    await near.bind(far.relayed)
    await far.bind(near.relayed)

    const packet = Buffer.alloc(CHANNEL_DATA_HEADER + PAYLOAD)
    for (let number = 0; number < PACKETS; number++) {
      packet.writeUInt32BE(run, CHANNEL_DATA_HEADER)
      packet.writeUInt32BE(number, CHANNEL_DATA_HEADER + 4)
      sentAt.push(performance.now())
      near.send(packet, CHANNEL_DATA_HEADER, packet.length)
      await sleep(APART_MS)
    }
    lastAt = Math.max(lastAt, performance.now())
    while (times.length < PACKETS && performance.now() - lastAt < QUIET_MS) await sleep(APART_MS)
    if (arrived === 0) throw new NoAnswer(`ChannelData from relay ${near.relayed} to relay ${far.relayed}`)
    if (times.length === 0) throw new NoAnswer(`ChannelData on its way back, from relay ${far.relayed}`)
    const relayed = [near.relayed, far.relayed] as const
    return {
      ...granted,
      relayed,
      allocateMs: granted.roundTripMs,
      sent: PACKETS,
      returned: times.length,
      roundTripMs: median(times),
    }
  } finally {
    await Promise.all(clients.map(release))
  }
}

/** Gives the allocation back; what goes wrong with that goes wrong with nothing that was asked. */
async function release(client: TurnClient): Promise<void> {
  if (client.relayed.port !== 0) await client.refresh(0).catch(() => {})
  await client.close()
}

function median(times: readonly number[]): number {
  return times.toSorted((a, b) => a - b)[Math.floor(times.length / 2)]!
}
