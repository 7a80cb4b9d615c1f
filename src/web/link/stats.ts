/** How media travels: straight to the other side, or through a relay; the protocol is known for our own relay only. */
export type Path = { readonly kind: 'direct' } | { readonly kind: 'relay'; readonly protocol: RelayProtocol | null }
type RelayProtocol = 'udp' | 'tcp' | 'tls'

/** A look at a connection. Counters run from its beginning. */
export interface Reading {
  readonly path: Path | null
  /** The ends of the path, in ICE's words such as `host`, `srflx`, `relay`; without addresses. */
  readonly ends: { readonly local: string; readonly remote: string; readonly protocol: string } | null
  readonly roundTripMs: number | null
  /** Grows whenever anything comes from the other side: media, checks of the path, or their answers. */
  readonly received: number
  /** Video frames decoded so far; stands still when the other side sends none. */
  readonly framesDecoded: number
  readonly incoming: Direction
  readonly outgoing: Direction
  /** How unevenly packets arrive, the worse of sound and picture. */
  readonly jitterMs: number | null
}

/** What goes one way. */
interface Direction {
  readonly bytes: number
  readonly packets: number
  /** As far as the receiver has said. */
  readonly lost: number
  readonly width: number | null
  readonly height: number | null
  readonly framesPerSecond: number | null
  readonly soundCodec: string | null
  readonly pictureCodec: string | null
}

type Entry = Readonly<Record<string, unknown>>

/** Reads path, round trip and progress out of getStats. */
export function readStats(report: Iterable<readonly [string, Entry]>): Reading {
  const entries = new Map(report)
  const pair = selectedPair(entries)
  const ofType = (type: string) => [...entries.values()].filter((entry) => entry['type'] === type)
  const inbound = ofType('inbound-rtp')
  const outbound = ofType('outbound-rtp')
  const roundTrip = pair?.['currentRoundTripTime']
  const jitters = inbound.map(({ jitter }) => jitter).filter((jitter) => typeof jitter === 'number')
  return {
    path: pair === undefined ? null : pathOf(entries, pair),
    ends: pair === undefined ? null : endsOf(entries, pair),
    roundTripMs: typeof roundTrip === 'number' ? Math.round(roundTrip * 1000) : null,
    received:
      sum(inbound, 'bytesReceived') +
      sum(ofType('candidate-pair'), 'bytesReceived', 'responsesReceived', 'requestsReceived'),
    framesDecoded: sum(inbound.filter(isVideo), 'framesDecoded'),
    incoming: {
      bytes: sum(inbound, 'bytesReceived', 'headerBytesReceived'),
      packets: sum(inbound, 'packetsReceived'),
      lost: sum(inbound, 'packetsLost'),
      ...pictureAndCodecs(entries, inbound),
    },
    outgoing: {
      bytes: sum(outbound, 'bytesSent', 'headerBytesSent'),
      packets: sum(outbound, 'packetsSent'),
      lost: sum(ofType('remote-inbound-rtp'), 'packetsLost'),
      ...pictureAndCodecs(entries, outbound),
    },
    jitterMs: jitters.length === 0 ? null : Math.round(Math.max(...jitters) * 1000),
  }
}

function sum(entries: readonly Entry[], ...names: readonly string[]): number {
  return entries.reduce((total, entry) => names.reduce((more, name) => more + Number(entry[name] ?? 0), total), 0)
}

function isVideo({ kind }: Entry): boolean {
  return kind === 'video'
}

function pictureAndCodecs(entries: ReadonlyMap<string, Entry>, streams: readonly Entry[]) {
  const video = streams.find(isVideo)
  const number = (name: string) => (typeof video?.[name] === 'number' ? video[name] : null)
  const codec = (stream: Entry | undefined) => {
    const type = entries.get(String(stream?.['codecId']))?.['mimeType']
    return typeof type === 'string' ? type.replace(/^(audio|video)\//, '') : null
  }
  return {
    width: number('frameWidth'),
    height: number('frameHeight'),
    framesPerSecond: number('framesPerSecond'),
    soundCodec: codec(streams.find(({ kind }) => kind === 'audio')),
    pictureCodec: codec(video),
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

function endsOf(entries: ReadonlyMap<string, Entry>, pair: Entry): Reading['ends'] {
  const local = entries.get(String(pair['localCandidateId']))
  const remote = entries.get(String(pair['remoteCandidateId']))
  const word = (value: unknown) => (typeof value === 'string' ? value : '')
  return {
    local: word(local?.['candidateType']),
    remote: word(remote?.['candidateType']),
    protocol: word(local?.['relayProtocol'] ?? local?.['protocol']),
  }
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
