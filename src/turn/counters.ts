import { END_REASONS, type EndReason } from './end-reason.ts'

/** Why bytes were dropped without an answer. Fixed, because metrics use them as label values. */
export type DropReason =
  | 'malformed'
  | 'fingerprint'
  | 'response'
  | 'unexpected-class'
  | 'unknown-method'
  | 'stun-disabled'
  | 'turn-disabled'
  | 'bad-indication'
  | 'no-allocation'
  | 'client-away'
  | 'no-permission'
  | 'unbound-channel'
  | 'peer-denied'
  | 'over-limit'
  | 'too-large'
  | 'challenge-limit'
  | 'guess-limit'
  | 'opening'
  | 'waiting-limit'

/** What the core counts: plain numbers that only grow, read by whoever wants to show them. */
export class Counters {
  readonly dropped: Record<DropReason, number> = {
    malformed: 0,
    fingerprint: 0,
    response: 0,
    'unexpected-class': 0,
    'unknown-method': 0,
    'stun-disabled': 0,
    'turn-disabled': 0,
    'bad-indication': 0,
    'no-allocation': 0,
    'client-away': 0,
    'no-permission': 0,
    'unbound-channel': 0,
    'peer-denied': 0,
    'over-limit': 0,
    'too-large': 0,
    'challenge-limit': 0,
    'guess-limit': 0,
    opening: 0,
    'waiting-limit': 0,
  }
  /** Error responses by code. */
  readonly errors = new Map<number, number>()
  bindingRequests = 0
  bindingSuccesses = 0
  turnRequests = 0
  turnSuccesses = 0
  /** Allocates that met a limit: the user's or the total quota, or that of their source address. */
  readonly refusedAllocations = { quota: 0, address: 0 }
  /** What a store has said when it was asked for an account. */
  readonly accounts = { found: 0, unknown: 0, unavailable: 0 }
  /** Of clients from one 5-tuple to another (RFC 8016). */
  readonly moves = { begun: 0, completed: 0, abandoned: 0 }
  /** Allocations that have come from another server of the same clients, and that have gone to one. */
  readonly handovers = { in: 0, out: 0 }
  /** TCP connections with peers (RFC 6062). Those that wait or are bound are `connected` and `accepted` without `ended`. */
  readonly peerConnections = { connected: 0, accepted: 0, failed: 0, bound: 0, unbound: 0, ended: 0 }
  allocationsCreated = 0
  allocationsEnded = 0
  /** The same by reason. Those that moved have not ended: see handovers. */
  readonly endedBy = Object.fromEntries(END_REASONS.map((reason) => [reason, 0])) as Record<EndReason, number>
  toPeerPackets = 0
  toPeerBytes = 0
  toClientPackets = 0
  toClientBytes = 0
}
