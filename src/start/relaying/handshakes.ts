import { performance } from 'node:perf_hooks'
import { type HandshakeLimits, Handshakes, type SecureTransport } from '../../net/limits/handshakes.ts'
import type { TurnPlan } from '../plan/turn-plan.ts'
import type { HandshakeShares } from '../shared-memory.ts'

/** The handshakes of one kind in one thread, counted from 0. */
export function handshakesOf<T>(
  plan: TurnPlan,
  shares: HandshakeShares,
  kind: SecureTransport,
  thread: number,
): Handshakes<T> {
  // Each thread's `now` counts from its own start.
  const at = { thread, clockOffsetMs: performance.timeOrigin }
  return new Handshakes(kind, handshakeShare(plan, shares, kind), shares.memory, at)
}

/** What one thread may have under way of what all have together. */
export function handshakeShare(
  { handshakes }: TurnPlan,
  shares: HandshakeShares,
  kind: SecureTransport,
): HandshakeLimits {
  const { atOnce, ...rest } = handshakes[kind]
  return { ...rest, atOnce: Math.ceil(atOnce / shares.threads) }
}
