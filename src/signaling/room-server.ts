/** A room server that hangs must not make calls pile up here. */
const TIMEOUT_MS = 5000
const MOST_IN_FLIGHT = 100

/** The foreign room server that Collider's `-room-server` names: it is told when a client is gone. */
export class RoomServer {
  readonly #origin: string
  readonly #stop = new AbortController()
  readonly #calls = new Set<Promise<void>>()
  /** Calls that failed or were not made, because too many were on their way. */
  failures = 0

  /** `origin` may end in a slash: the tutorial's did, and Collider then called //bye/…, which nobody answered. */
  constructor(origin: string) {
    this.#origin = origin.replace(/\/+$/, '')
  }

  /** POST /bye/ROOM/CLIENT, whose answer nobody waits for. */
  bye(room: string, client: string): void {
    if (this.#calls.size >= MOST_IN_FLIGHT) {
      this.failures++
      return
    }
    const call = this.#post(`/bye/${encodeURIComponent(room)}/${encodeURIComponent(client)}`)
    this.#calls.add(call)
    void call.finally(() => this.#calls.delete(call))
  }

  async close(): Promise<void> {
    this.#stop.abort()
    await Promise.all(this.#calls)
  }

  async #post(path: string): Promise<void> {
    try {
      const signal = AbortSignal.any([this.#stop.signal, AbortSignal.timeout(TIMEOUT_MS)])
      const response = await fetch(this.#origin + path, { method: 'POST', headers: { 'Content-Type': 'text' }, signal })
      await response.body?.cancel()
      if (!response.ok) this.failures++
    } catch {
      // Collider ignored the outcome, too: the room server has a timeout of its own.
      this.failures++
    }
  }
}
