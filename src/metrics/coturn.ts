import type { Scrape } from './sources.ts'
import { counters, gauges, type Metric, sum } from './table.ts'

const core = (scrape: Scrape) => scrape.readings?.turn ?? null

/** The names that coturn's dashboards read. */
export const coturnMetrics: readonly Metric[] = [
  ...counters(core, [
    ['stun_binding_request', 'Binding requests', '', (c) => c.bindingRequests],
    ['stun_binding_response', 'Binding answers', '', (c) => c.bindingSuccesses],
    ['stun_binding_error', 'Binding requests that were refused', '', (c) => c.bindingRequests - c.bindingSuccesses],
  ]),
  ...gauges(
    ({ readings }) => readings?.allocations ?? null,
    [
      [
        'turn_total_allocations',
        'Allocations now, by transport of the client',
        'type',
        ({ udp, tcp, tls, dtls }) => ({ UDP: udp, TCP: tcp, 'TLS/TCP': tls, DTLS: dtls }),
      ],
    ],
  ),
  ...counters(core, [
    ['turn_total_traffic_rcvp', 'Packets that clients sent to peers', '', (c) => c.toPeerPackets],
    ['turn_total_traffic_rcvb', 'Bytes that clients sent to peers', '', (c) => c.toPeerBytes],
    ['turn_total_traffic_sentp', 'Packets that clients got from peers', '', (c) => c.toClientPackets],
    ['turn_total_traffic_sentb', 'Bytes that clients got from peers', '', (c) => c.toClientBytes],
    ['turn_total_traffic_peer_rcvp', 'Packets from peers', '', (c) => c.toClientPackets],
    ['turn_total_traffic_peer_rcvb', 'Bytes from peers', '', (c) => c.toClientBytes],
    ['turn_total_traffic_peer_sentp', 'Packets to peers', '', (c) => c.toPeerPackets],
    ['turn_total_traffic_peer_sentb', 'Bytes to peers', '', (c) => c.toPeerBytes],
    ['turn_packet_processed', 'Packets relayed', '', (c) => c.toPeerPackets + c.toClientPackets],
    ['turn_packet_dropped', 'Packets dropped', '', (c) => sum(c.dropped)],
    ['turn_unauthenticated_401_responses', 'Answers that ask for credentials', '', (c) => c.errors.get(401) ?? 0],
    [
      'turn_unauthenticated_401_dropped_responses',
      'Of these, held back by the limit',
      '',
      (c) => c.dropped['challenge-limit'],
    ],
  ]),
]
