import { expect, test } from 'vitest'
import { parseAnalytics } from '../../src/http/analytics.ts'

test('AR-4.11 the time of an event is corrected by the difference of the clocks', () => {
  const body = { type: 'event', request_time_ms: 10_000, event: { event_type: 3, event_time_ms: 8000 } }
  expect(parseAnalytics(JSON.stringify(body), 11_000)).toEqual({ type: 3, timeMs: 9000 })
})
