import { type HandshakeMemory, handshakeMemory } from '../net/limits/handshakes.ts'
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
  readonly threads: number
  readonly memory: HandshakeMemory
  /** How many DTLS sessions and handshakes each source has in each thread. */
  readonly dtlsSources: SharedArrayBuffer
}

/** Of all relay addresses that there may ever be: addresses come while the program runs. */
const MOST_PORTS = 262_144

/** For `threads` cores. */
export function turnMemory(plan: TurnPlan, threads: number, random: (size: number) => Buffer): TurnMemory {
  const { ports, relayAddresses } = plan
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
      threads,
      memory: handshakeMemory(threads, random),
      dtlsSources: sourceMemory(threads, random),
    },
  }
}
