import { expect, test } from 'vitest'
import { Metrics } from '../src/metrics.ts'
import { SocketErrors } from '../src/net/socket-errors.ts'
import type { RunningTurn } from '../src/start/turn.ts'
import { TurnReadings } from '../src/threads/shared-counters.ts'
import { silentLog } from './support/sockets.ts'

test('datagrams that the system would not take are shown, to clients and to peers', async () => {
  const readings = new TurnReadings()
  readings.net.clients.udp.overflowPackets = 3
  readings.net.relay.overflowPackets = 4
  const metrics = new Metrics()
  // All that is read here.
  const running = { readings: () => readings, socketErrors: [], workers: null } as unknown as RunningTurn
  metrics.watch(running, null, new SocketErrors(silentLog, () => 0), silentLog)
  const { body } = await metrics.text()
  expect(body).toContain('\nwebrtc_stack_client_overflow_packets_total{transport="udp"} 3\n')
  expect(body).toMatch(/^webrtc_stack_relay_overflow_packets_total(\{\})? 4$/m)
})
