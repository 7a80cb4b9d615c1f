import { performance } from 'node:perf_hooks'
import { Handshakes, type SecureTransport } from '../../net/limits/handshakes.ts'
import type { HandshakeShares } from '../shared-memory.ts'

/** The handshakes of one kind in one thread, counted from 0. */
export function handshakesOf<T>(
  { limits, memory }: HandshakeShares,
  kind: SecureTransport,
  thread: number,
): Handshakes<T> {
  // Each thread's `now` counts from its own start.
  return new Handshakes(kind, limits[kind], memory, { thread, clockOffsetMs: performance.timeOrigin })
}
