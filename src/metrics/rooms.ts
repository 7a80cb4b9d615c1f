import type { Scrape } from './sources.ts'
import { counters, gauges, type Metric, type Sample } from './table.ts'

const hub = (scrape: Scrape) => scrape.hub
const web = (scrape: Scrape) => scrape.web

/** Rooms, signaling and the HTTP in front of both. */
export const roomMetrics: readonly Metric[] = [
  ...gauges(web, [
    ['webrtc_stack_rooms', 'Rooms now', '', ({ rooms }) => rooms.readings.rooms],
    [
      'webrtc_stack_waiting_bytes',
      'Bytes that wait in rooms, and that WebSockets have not read',
      'kind',
      ({ rooms, unread }) => ({ texts: rooms.readings.waitingBytes, unread: unread.bytes }),
    ],
  ]),
  ...gauges(hub, [
    ['webrtc_stack_websockets', 'Open WebSockets', '', ({ connections }) => connections],
    ['webrtc_stack_websockets_registered', 'WebSockets of clients in rooms', '', (h) => h.counters.openSockets],
  ]),
  ...counters(hub, [
    ['webrtc_stack_registrations_total', 'Clients that registered', '', (h) => h.counters.totalSockets],
  ]),
  ...counters(web, [
    [
      'webrtc_stack_web_refused_total',
      'What got no place at HTTP and signaling ports, by kind',
      'kind reason',
      (w) =>
        Object.entries(w.refused()).flatMap(([kind, counts]) =>
          Object.entries(counts).map(([reason, count]): Sample => [[kind, reason], count]),
        ),
    ],
    ['webrtc_stack_web_limited_total', 'Requests over a limit of their address, by limit', 'limit', (w) => w.limited],
  ]),
  ...counters(hub, [
    [
      'webrtc_stack_signaling_errors_total',
      'Errors of signaling, by side',
      'side',
      (h) => ({ websocket: h.counters.socketErrors, http: h.counters.httpErrors }),
    ],
  ]),
]
