import { readdirSync, readFileSync, readlinkSync } from 'node:fs'
import { performance } from 'node:perf_hooks'

/**
 * The event loop of a thread that sleeps elsewhere, in an epoll of its own: says when the loop wants to run, and when
 * everything that it began has been brought to an end, so that the thread may sleep.
 */
export class EventLoop {
  /** It should run before anything else is waited for. */
  isWanted = false
  #events = 0
  #quietPasses = 0

  /** To be called once in each pass of the loop: whether it is at rest. */
  pass(): boolean {
    const { events } = performance.nodeTiming.uvMetricsInfo
    if (events === this.#events) this.#quietPasses++
    else this.touch()
    this.#events = events
    this.isWanted = false
    return this.#quietPasses >= QUIET_PASSES
  }

  /** Something was begun from outside, a write for instance: only the loop can bring it to an end. */
  touch(): void {
    this.isWanted = true
    this.#quietPasses = 0
  }
}

// What an event leads to is over at the end of its pass (a closed socket says so only then), and what libuv is to watch from
// now on it hands to the kernel in the next.
const QUIET_PASSES = 2

/**
 * The descriptor that libuv polls in the event loop that watches `fd`, ready whenever the loop has something to do; null
 * when it cannot be found, as in a system without /proc. What is new to a loop is watched from its next pass on.
 */
export function pollerOf(fd: number): number | null {
  const watched = new RegExp(`^tfd:\\s+${fd} `, 'm')
  return descriptors().find((candidate) => watched.test(pollInfo(candidate))) ?? null
}

function descriptors(): number[] {
  try {
    return readdirSync('/proc/self/fd').map(Number)
  } catch {
    return []
  }
}

// Any descriptor may be closed by another thread at any moment.
function pollInfo(fd: number): string {
  try {
    if (readlinkSync(`/proc/self/fd/${fd}`) !== 'anon_inode:[eventpoll]') return ''
    return readFileSync(`/proc/self/fdinfo/${fd}`, 'latin1')
  } catch {
    return ''
  }
}
