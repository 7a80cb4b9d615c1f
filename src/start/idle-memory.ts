import { returnFreedMemory } from '../net/linux/system-calls.ts'

/** V8 gives back what it needed to start after eight seconds without work, a busy machine later. */
const AFTER_MS = 30_000

/**
 * Once, when the start is over: what loading and compiling took was freed since, but lies in the C library of each thread
 * (6 to 9 MB). Returns what calls it off.
 */
export function returnMemoryOfStart(): () => void {
  const timer = setTimeout(returnFreedMemory, AFTER_MS).unref()
  return () => clearTimeout(timer)
}
