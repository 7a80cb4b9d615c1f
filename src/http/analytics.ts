/** What the page of 2015 reported; only its shape is checked and the event is logged. */
export interface AnalyticsEvent {
  readonly type: string | number
  /** Unix milliseconds by our clock: the client's clock is off by the difference between request and receipt. */
  readonly timeMs: number
}

/** Reads the body of POST /a/; null for an invalid request. */
export function parseAnalytics(body: string, receivedAtMs: number): AnalyticsEvent | null {
  const request = record(parse(body))
  const event = record(request?.['event'])
  const requestTime = request?.['request_time_ms']
  const type = event?.['event_type']
  const eventTime = event?.['event_time_ms']
  if (request?.['type'] !== 'event' || typeof requestTime !== 'number' || typeof eventTime !== 'number') return null
  if (typeof type !== 'number' && typeof type !== 'string') return null
  return { type, timeMs: eventTime + (receivedAtMs - requestTime) }
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return null
  }
}

/** Own properties only: a name such as `constructor` is no field that was sent. */
function record(value: unknown): Record<string, unknown> | null {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return null
  return Object.assign(Object.create(null), value)
}
