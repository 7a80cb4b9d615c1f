/** A server that hangs must not make calls pile up here. */
const TIMEOUT_MS = 5000
const MOST_IN_FLIGHT = 1000

/** POSTs to a configured server whose answers nobody waits for. */
export class OutgoingPosts {
  readonly #origin: string
  readonly #stop = new AbortController()
  readonly #calls = new Set<Promise<void>>()
  /** Messages that no address took, or that were not sent because too many were on their way. */
  failures = 0

  /** `origin` may end in a slash: the tutorial's did, and Collider then called //bye/…, which nobody answered. */
  constructor(origin: string) {
    this.#origin = origin.replace(/\/+$/, '')
  }

  /** POSTs `body` to every path: one that takes it is enough, because servers differ in which of them they have. */
  send(paths: readonly (readonly string[])[], body: string | null): void {
    if (this.#calls.size >= MOST_IN_FLIGHT) {
      this.failures++
      return
    }
    const call = Promise.all(paths.map((segments) => this.#post(segments, body))).then((taken) => {
      if (!taken.includes(true)) this.failures++
    })
    this.#calls.add(call)
    void call.finally(() => this.#calls.delete(call))
  }

  async close(): Promise<void> {
    this.#stop.abort()
    await Promise.all(this.#calls)
  }

  async #post(segments: readonly string[], body: string | null): Promise<boolean> {
    const path = segments.map((segment) => `/${encodeURIComponent(segment)}`).join('')
    try {
      const signal = AbortSignal.any([this.#stop.signal, AbortSignal.timeout(TIMEOUT_MS)])
      const headers = { 'Content-Type': 'text' }
      const response = await fetch(this.#origin + path, { method: 'POST', body, headers, signal, redirect: 'manual' })
      await response.body?.cancel()
      return response.ok
    } catch {
      // The originals ignored the outcome, too; the other side has timeouts of its own.
      return false
    }
  }
}
