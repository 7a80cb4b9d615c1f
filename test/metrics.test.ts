import { expect, test } from 'vitest'
import { Metrics } from '../src/metrics.ts'
import { SocketErrors } from '../src/net/socket-errors.ts'
import type { RunningTurn } from '../src/start/turn.ts'
import { TurnReadings } from '../src/threads/shared-counters.ts'
import { silentLog } from './support/sockets.ts'

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

async function shown(readings: TurnReadings): Promise<string> {
  const metrics = new Metrics()
  // All that is read here.
  const running = { readings: () => readings, socketErrors: [], workers: null } as unknown as RunningTurn
  metrics.watch(running, null, new SocketErrors(silentLog, () => 0), silentLog, { isGood: true, goodAt: 0 })
  return (await metrics.text()).body
}
