/** How media travels: straight to the other side, or through a relay; the protocol is known for our own relay only. */
export type Path = { readonly kind: 'direct' } | { readonly kind: 'relay'; readonly protocol: RelayProtocol | null }
type RelayProtocol = 'udp' | 'tcp' | 'tls'

/** A look at a connection. Counters run from its beginning. */
export interface Reading {
  readonly path: Path | null
  readonly roundTripMs: number | null
  /** Grows whenever anything comes from the other side: media, checks of the path, or their answers. */
  readonly received: number
  /** Video frames decoded so far; stands still when the other side sends none. */
  readonly framesDecoded: number
}

type Entry = Readonly<Record<string, unknown>>

/** Reads path, round trip and progress out of getStats. */
export function readStats(report: Iterable<readonly [string, Entry]>): Reading {
  const entries = new Map(report)
  const pair = selectedPair(entries)
  const ofType = (type: string) => [...entries.values()].filter((entry) => entry['type'] === type)
  const inbound = ofType('inbound-rtp')
  const roundTrip = pair?.['currentRoundTripTime']
  return {
    path: pair === undefined ? null : pathOf(entries, pair),
    roundTripMs: typeof roundTrip === 'number' ? Math.round(roundTrip * 1000) : null,
    received:
      sum(inbound, 'bytesReceived') +
      sum(ofType('candidate-pair'), 'bytesReceived', 'responsesReceived', 'requestsReceived'),
    framesDecoded: sum(
      inbound.filter(({ kind }) => kind === 'video'),
      'framesDecoded',
    ),
  }
}

function sum(entries: readonly Entry[], ...names: readonly string[]): number {
  return entries.reduce((total, entry) => names.reduce((more, name) => more + Number(entry[name] ?? 0), total), 0)
}

function pathOf(entries: ReadonlyMap<string, Entry>, pair: Entry): Path {
  const local = entries.get(String(pair['localCandidateId']))
  const remote = entries.get(String(pair['remoteCandidateId']))
  if (local?.['candidateType'] === 'relay') {
    const protocol = local['relayProtocol']
    return { kind: 'relay', protocol: protocol === 'udp' || protocol === 'tcp' || protocol === 'tls' ? protocol : null }
  }
  return remote?.['candidateType'] === 'relay' ? { kind: 'relay', protocol: null } : { kind: 'direct' }
}

/** The transport names its pair in current browsers; older Firefox marks the pair itself instead. */
function selectedPair(entries: ReadonlyMap<string, Entry>): Entry | undefined {
  for (const entry of entries.values()) {
    if (entry['type'] !== 'transport') continue
    const pair = entries.get(String(entry['selectedCandidatePairId']))
    if (pair !== undefined) return pair
  }
  const pairs = [...entries.values()].filter((entry) => entry['type'] === 'candidate-pair')
  return (
    pairs.find((pair) => pair['selected'] === true) ??
    pairs.find((pair) => pair['nominated'] === true && pair['state'] === 'succeeded')
  )
}
