import {
  type HandshakeLimits,
  type HandshakeMemory,
  handshakeMemory,
  type SecureTransport,
} from '../net/limits/handshakes.ts'
import { sourceMemory } from '../shared/source-table.ts'
import { budgetMemory } from '../turn/limits/challenge-limit.ts'
import { type QuotaMemory, quotaMemory } from '../turn/limits/quota.ts'
import type { TurnPlan } from './plan/turn-plan.ts'

/** What all threads count in, made once: another plan does not begin it anew. */
export interface TurnMemory {
  /** Of all threads together. */
  readonly quota: QuotaMemory
  /** What strangers have used of both; a source that changes its port may reach another thread. */
  readonly challengesUsed: SharedArrayBuffer
  readonly guessesUsed: SharedArrayBuffer
  /** How many allocations each source has in each thread. */
  readonly sourceCounts: SharedArrayBuffer
  readonly handshakes: HandshakeShares
}

/** The TLS and DTLS of all threads. */
export interface HandshakeShares {
  /** Of one thread. */
  readonly limits: Readonly<Record<SecureTransport, HandshakeLimits>>
  readonly memory: HandshakeMemory
  /** How many DTLS sessions and handshakes each source has in each thread. */
  readonly dtlsSources: SharedArrayBuffer
}

/** Of all relay addresses that there may ever be: addresses come while the program runs. */
const MOST_PORTS = 262_144

/** For `threads` cores. */
export function turnMemory(plan: TurnPlan, threads: number, random: (size: number) => Buffer): TurnMemory {
  const { ports, relayAddresses } = plan
  const share = (limits: HandshakeLimits) => ({ ...limits, atOnce: Math.ceil(limits.atOnce / threads) })
  return {
    quota: quotaMemory(
      plan.quota,
      { threads, ports: relayAddresses.length * (ports.maxPort - ports.minPort + 1), mostPorts: MOST_PORTS },
      random,
    ),
    challengesUsed: budgetMemory(random),
    guessesUsed: budgetMemory(random),
    sourceCounts: sourceMemory(threads, random),
    handshakes: {
      limits: { tls: share(plan.handshakes.tls), dtls: share(plan.handshakes.dtls) },
      memory: handshakeMemory(threads, random),
      dtlsSources: sourceMemory(threads, random),
    },
  }
}
