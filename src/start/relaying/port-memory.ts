import { claimMemory, isUnclaimed } from '../../shared/port-claims.ts'
import type { PortMemory } from '../../turn/relay-addresses/relay-ports.ts'

/**
 * Which thread has which port, for each address that is relayed from now, and for each address of before on which somebody
 * has a port still: should it come back, all threads must find the same memory.
 */
export class PortMemoryByAddress {
  #memory = new Map<string, SharedArrayBuffer>()

  /** Of each address. Maps that have been handed out stay as they are. */
  get memory(): PortMemory {
    return this.#memory
  }

  /** Makes room for addresses that are new. */
  add(hosts: readonly string[]): void {
    const missing = hosts.filter((host) => !this.#memory.has(host))
    this.#memory = new Map([...this.#memory, ...missing.map((host) => [host, claimMemory()] as const)])
  }

  /**
   * Forgets addresses but these that have no port in use, at rest or reserved; whether there were any. Only for when no thread
   * takes ports of other addresses any more.
   */
  forgetBut(hosts: readonly string[]): boolean {
    const kept = [...this.#memory].filter(([host, memory]) => hosts.includes(host) || !isUnclaimed(memory))
    if (kept.length === this.#memory.size) return false
    this.#memory = new Map(kept)
    return true
  }
}
