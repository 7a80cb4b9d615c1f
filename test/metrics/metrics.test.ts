import { expect, test } from 'vitest'
import { Metrics } from '../../src/metrics/metrics.ts'
import { SocketErrors } from '../../src/net/socket-errors.ts'
import { TurnReadings } from '../../src/threads/shared-counters.ts'
import { silentLog } from '../support/sockets.ts'

test('handshakes are shown by transport: under way, refused and failed, and DTLS sessions among the connections', async () => {
  const readings = new TurnReadings()
  Object.assign(readings.net.dtls, { handshakes: 1, refused: 2, handshakesFailed: 3, sessions: 4, opened: 5 })
  readings.net.tls.handshakes = 6
  Object.assign(readings.net.closedConnections, { 'too-many-handshakes': 7, handshake: 8 })
  const body = await shown(readings)
  for (const line of [
    'webrtc_stack_handshakes{transport="dtls"} 1',
    'webrtc_stack_handshakes{transport="tls"} 6',
    'webrtc_stack_handshakes_refused_total{transport="dtls"} 2',
    'webrtc_stack_handshakes_refused_total{transport="tls"} 7',
    'webrtc_stack_handshakes_failed_total{transport="dtls"} 3',
    'webrtc_stack_handshakes_failed_total{transport="tls"} 8',
    'webrtc_stack_connections{transport="dtls"} 4',
    'webrtc_stack_connections_opened_total{transport="dtls"} 5',
  ])
    expect(body.split('\n')).toContain(line)
})

test('datagrams that the system would not take are shown, to clients and to peers', async () => {
  const readings = new TurnReadings()
  readings.net.clients.udp.overflowPackets = 3
  readings.net.relay.overflowPackets = 4
  const body = await shown(readings)
  expect(body).toContain('\nwebrtc_stack_client_overflow_packets_total{transport="udp"} 3\n')
  expect(body).toMatch(/^webrtc_stack_relay_overflow_packets_total(\{\})? 4$/m)
})

// Dashboards and alerts read them: whoever takes one away or renames it breaks those, and says so in CHANGELOG.md.
const NAMES = `
  webrtc_stack_info gauge
  webrtc_stack_config_last_reload_successful gauge
  webrtc_stack_config_last_reload_success_timestamp_seconds gauge
  webrtc_stack_log_lines_dropped_total counter
  webrtc_stack_rooms gauge
  webrtc_stack_waiting_bytes gauge
  webrtc_stack_websockets gauge
  webrtc_stack_websockets_registered gauge
  webrtc_stack_registrations_total counter
  webrtc_stack_web_refused_total counter
  webrtc_stack_web_limited_total counter
  webrtc_stack_signaling_errors_total counter
  webrtc_stack_allocations gauge
  webrtc_stack_relay_sockets gauge
  webrtc_stack_draining gauge
  webrtc_stack_relay_threads gauge
  webrtc_stack_relay_thread_deaths_total counter
  webrtc_stack_account_database_up gauge
  webrtc_stack_account_database_errors_total counter
  webrtc_stack_account_lookups_total counter
  webrtc_stack_allocations_created_total counter
  webrtc_stack_allocations_ended_total counter
  webrtc_stack_allocations_refused_total counter
  webrtc_stack_moves_total counter
  webrtc_stack_turn_peer_connections_total counter
  webrtc_stack_turn_requests_total counter
  webrtc_stack_turn_successes_total counter
  webrtc_stack_stun_errors_total counter
  webrtc_stack_relayed_packets_total counter
  webrtc_stack_relayed_bytes_total counter
  webrtc_stack_dropped_packets_total counter
  webrtc_stack_client_received_packets_total counter
  webrtc_stack_client_received_bytes_total counter
  webrtc_stack_client_sent_packets_total counter
  webrtc_stack_client_sent_bytes_total counter
  webrtc_stack_client_overflow_packets_total counter
  webrtc_stack_relay_overflow_packets_total counter
  webrtc_stack_connections gauge
  webrtc_stack_connections_opened_total counter
  webrtc_stack_connections_closed_total counter
  webrtc_stack_handshakes gauge
  webrtc_stack_handshakes_refused_total counter
  webrtc_stack_handshakes_failed_total counter
  webrtc_stack_peer_errors_total counter
  webrtc_stack_socket_errors_total counter
  stun_binding_request counter
  stun_binding_response counter
  stun_binding_error counter
  turn_total_allocations gauge
  turn_total_traffic_rcvp counter
  turn_total_traffic_rcvb counter
  turn_total_traffic_sentp counter
  turn_total_traffic_sentb counter
  turn_total_traffic_peer_rcvp counter
  turn_total_traffic_peer_rcvb counter
  turn_total_traffic_peer_sentp counter
  turn_total_traffic_peer_sentb counter
  turn_packet_processed counter
  turn_packet_dropped counter
  turn_unauthenticated_401_responses counter
  turn_unauthenticated_401_dropped_responses counter
`

test('every metric has the name and type that dashboards know', async () => {
  const body = await shown(new TurnReadings())
  const types = Array.from(body.matchAll(/^# TYPE ((?:webrtc_stack|stun|turn)_\S+ \S+)$/gm), ([, name]) => name)
  expect(types).toEqual(NAMES.trim().split(/\n */))
})

test('what does not run has no value, rather than 0', async () => {
  const body = await shown(new TurnReadings())
  expect(body).not.toMatch(/^webrtc_stack_(rooms|websockets)[ {]/m)
  expect(body).toMatch(/^webrtc_stack_allocations 0$/m)
})

async function shown(readings: TurnReadings): Promise<string> {
  const metrics = new Metrics()
  const turn = { readings: () => readings, socketErrors: [], workers: null, accounts: null, isDraining: false }
  const errors = new SocketErrors(silentLog, () => 0)
  metrics.watch({ turn, web: null, hub: null, errors, log: silentLog, reloads: { isGood: true, goodAt: 0 } })
  return (await metrics.text()).body
}
