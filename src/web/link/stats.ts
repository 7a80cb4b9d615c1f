/** How media travels: straight to the other side, or through a relay; the protocol is known for our own relay only. */
export type Path = { readonly kind: 'direct' } | { readonly kind: 'relay'; readonly protocol: RelayProtocol | null }
type RelayProtocol = 'udp' | 'tcp' | 'tls'

/** A look at a connection. */
export interface Reading {
  readonly path: Path | null
  readonly roundTripMs: number | null
  /** Video frames decoded so far; stands still when the other side sends none. */
  readonly framesDecoded: number
}

type Entry = Readonly<Record<string, unknown>>

/** Reads path, round trip and progress of the video out of getStats. */
export function readStats(report: Iterable<readonly [string, Entry]>): Reading {
  const entries = new Map(report)
  const pair = selectedPair(entries)
  let framesDecoded = 0
  for (const entry of entries.values()) {
    if (entry['type'] === 'inbound-rtp' && entry['kind'] === 'video')
      framesDecoded += Number(entry['framesDecoded'] ?? 0)
  }
  const roundTrip = pair?.['currentRoundTripTime']
  return {
    path: pair === undefined ? null : pathOf(entries, pair),
    roundTripMs: typeof roundTrip === 'number' ? Math.round(roundTrip * 1000) : null,
    framesDecoded,
  }
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
