import { readFileSync } from 'node:fs'
import type { Socket } from 'node:net'

/**
 * Whether a descriptor, just opened for a client, is one of the last few that this process may have: to be closed at once. The
 * lowest free number is always given out, so all the others are in use. With none left libuv turns away who waits to be accepted
 * by means of one that it has spared; when another thread takes that first, its event loop goes round and round.
 */
export function isReserved(fd: number): boolean {
  return fd >= FIRST_RESERVED
}

/** That of an open socket; -1 without one. */
export function descriptorOf(socket: Socket): number {
  // Nothing in node's interface tells it.
  return (socket as { readonly _handle?: { readonly fd?: number } | null })._handle?.fd ?? -1
}

const MOST_RESERVED = 64

const FIRST_RESERVED = firstReserved(descriptorLimit())

function firstReserved(limit: number): number {
  return limit - Math.min(MOST_RESERVED, Math.floor(limit / 8))
}

/** Infinity where it is not told. */
function descriptorLimit(): number {
  try {
    return Number(/^Max open files +(\d+)/m.exec(readFileSync('/proc/self/limits', 'latin1'))?.[1] ?? Infinity)
  } catch {
    return Infinity
  }
}
