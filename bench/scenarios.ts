import type { Family } from './servers.ts'
import type { Traffic } from './tools.ts'

/** Traffic that every contender is given. */
export interface Scenario {
  readonly name: string
  readonly family: Family
  readonly traffic: Traffic
}

type Direction = Traffic['direction']

const WAYS: Record<Direction, string> = { 1: 'to the peers', 2: 'to the clients', 3: 'both ways' }
/** Long enough that a percentile of delays is not that of one hiccup. */
const DELAY_SECONDS = 5

/** What the targets are about; with `full` each rate with each burst, direction, payload and number of clients. */
export function scenarios(full: boolean, seconds: number): Scenario[] {
  const describe = (
    rate: number,
    burst: number,
    direction: Direction,
    payload = 200,
    clients = 16,
    family: Family = 4,
  ) => scenario({ rate, burst, direction, payload, clients, family, seconds })
  const oneWay = [1, 2] as const
  const overIpv6 = [
    ...[1, 8].flatMap((burst) => oneWay.map((direction) => describe(150_000, burst, direction, 200, 16, 6))),
    describe(30_000, 1, 1, 200, 16, 6),
  ]
  if (!full) {
    return [
      ...[1, 8].flatMap((burst) => oneWay.map((direction) => describe(150_000, burst, direction))),
      ...[1, 8].flatMap((burst) => oneWay.map((direction) => describe(250_000, burst, direction))),
      ...oneWay.map((direction) => describe(30_000, 1, direction)),
      describe(150_000, 8, 3, 1200),
      describe(150_000, 8, 1, 200, 1000),
      ...overIpv6,
    ]
  }
  const all: Scenario[] = []
  for (const rate of [30_000, 150_000, 250_000])
    for (const burst of [1, 8])
      for (const direction of [1, 2, 3] as const)
        for (const payload of [200, 1200])
          for (const clients of [16, 1000]) all.push(describe(rate, burst, direction, payload, clients))
  return [...all, ...overIpv6]
}

interface Wanted {
  readonly rate: number
  readonly burst: number
  readonly direction: Direction
  readonly payload: number
  readonly clients: number
  readonly family: Family
  readonly seconds: number
}

function scenario({ rate, burst, direction, payload, clients, family, seconds }: Wanted): Scenario {
  const packets = burst === 1 ? 'single' : `bursts of ${burst}`
  const name = `${rate / 1000} k/s, ${packets}, ${WAYS[direction]}, ${payload} bytes, ${clients} clients`
  const isForDelay = rate === 30_000 && payload === 200 && clients === 16
  const timing = isForDelay
    ? { seconds: Math.max(DELAY_SECONDS, seconds), warmUpSeconds: 1 }
    : { seconds, warmUpSeconds: 0.5 }
  return {
    name: family === 6 ? `IPv6: ${name}` : name,
    family,
    traffic: { allocations: clients, payload, burst, direction, rate, ...timing },
  }
}
