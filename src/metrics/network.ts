import type { Traffic } from '../net/counters.ts'
import type { TurnReadings } from '../threads/shared-counters.ts'
import type { Scrape } from './sources.ts'
import { counters, gauges, type Metric, type Sample } from './table.ts'

const net = (scrape: Scrape) => scrape.readings?.net ?? null

/** Sockets, connections and handshakes of TURN. */
export const networkMetrics: readonly Metric[] = [
  ...counters(net, [
    [
      'webrtc_stack_client_received_packets_total',
      'Packets from clients, by transport',
      'transport',
      byTransport((t) => t.receivedPackets),
    ],
    [
      'webrtc_stack_client_received_bytes_total',
      'Bytes from clients, by transport',
      'transport',
      byTransport((t) => t.receivedBytes),
    ],
    [
      'webrtc_stack_client_sent_packets_total',
      'Packets to clients, by transport',
      'transport',
      byTransport((t) => t.sentPackets),
    ],
    [
      'webrtc_stack_client_sent_bytes_total',
      'Bytes to clients, by transport',
      'transport',
      byTransport((t) => t.sentBytes),
    ],
    [
      'webrtc_stack_client_overflow_packets_total',
      'Packets that a client or the system would not take',
      'transport',
      byTransport((t) => t.overflowPackets),
    ],
    [
      'webrtc_stack_relay_overflow_packets_total',
      'Packets to peers that the system would not take',
      '',
      ({ relay }) => relay.overflowPackets,
    ],
  ]),
  ...gauges(net, [
    [
      'webrtc_stack_connections',
      'Open TURN connections, by transport',
      'transport',
      ({ openConnections, dtls }) => ({ ...openConnections, dtls: dtls.sessions }),
    ],
  ]),
  ...counters(net, [
    [
      'webrtc_stack_connections_opened_total',
      'TURN connections, by transport',
      'transport',
      ({ openedConnections, dtls }) => ({ ...openedConnections, dtls: dtls.opened }),
    ],
    [
      'webrtc_stack_connections_closed_total',
      'TURN connections that ended, by reason',
      'reason',
      ({ closedConnections }) => closedConnections,
    ],
  ]),
  ...gauges(net, [
    [
      'webrtc_stack_handshakes',
      'TLS and DTLS handshakes on TURN ports under way, by transport',
      'transport',
      ({ tls, dtls }) => ({ tls: tls.handshakes, dtls: dtls.handshakes }),
    ],
  ]),
  ...counters(net, [
    [
      'webrtc_stack_handshakes_refused_total',
      'Handshakes that met a limit, by transport',
      'transport',
      ({ dtls, closedConnections }) => ({ tls: closedConnections['too-many-handshakes'], dtls: dtls.refused }),
    ],
    [
      'webrtc_stack_handshakes_failed_total',
      'Handshakes that came to nothing, by transport',
      'transport',
      ({ dtls, closedConnections }) => ({ tls: closedConnections.handshake, dtls: dtls.handshakesFailed }),
    ],
    [
      'webrtc_stack_peer_errors_total',
      'ICMP messages about what was sent to peers',
      '',
      ({ peerErrors }) => peerErrors,
    ],
  ]),
  ...counters(
    ({ turn, errors }) => [...(turn?.socketErrors ?? []), ...(errors?.entries ?? [])],
    [
      [
        'webrtc_stack_socket_errors_total',
        'Errors of sockets, by kind and code',
        'kind code',
        (errors) => errors.map(([kind, code, count]): Sample => [[kind, code], count]),
      ],
    ],
  ),
]

function byTransport(read: (traffic: Traffic) => number): (source: TurnReadings['net']) => readonly Sample[] {
  return ({ clients }) => Object.entries(clients).map(([transport, traffic]): Sample => [[transport], read(traffic)])
}
