import { randomBytes } from 'node:crypto'
import { type HandshakeLimits, Handshakes, handshakeMemory } from '../../src/net/limits/handshakes.ts'

export const HANDSHAKE_LIMITS: HandshakeLimits = { atOnce: 1024, perSource: 64, perSecond: 30 }

/** Those of a thread that is alone. */
export function handshakesAlone<T>(limits: Partial<HandshakeLimits> = {}): Handshakes<T> {
  const alone = { thread: 0, clockOffsetMs: 0 }
  return new Handshakes('dtls', { ...HANDSHAKE_LIMITS, ...limits }, handshakeMemory(1, randomBytes), alone)
}
