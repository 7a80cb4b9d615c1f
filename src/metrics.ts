import { Counter, collectDefaultMetrics, Gauge, Registry } from 'prom-client'
import type { ProcessLog } from './log.ts'
import type { NetCounters, Traffic } from './net/counters.ts'
import type { SocketErrors } from './net/socket-errors.ts'
import type { Hub } from './signaling/hub.ts'
import type { RunningTurn } from './start/turn.ts'
import type { RunningWeb } from './start/web.ts'
import type { TurnReadings } from './threads/shared-counters.ts'

/** How the last attempt to read the configuration again has ended. */
export interface ReloadHealth {
  isGood: boolean
  /** Wall clock, milliseconds: when what is in force was read. */
  goodAt: number
}

/** One number read at scrape time, with its labels. */
type Reading = readonly [labels: Readonly<Record<string, string>>, value: number]

/**
 * What /metrics shows. The parts keep plain numbers; they are read when somebody asks, so counting costs nothing more. Label
 * values come from fixed sets: no user, room or address.
 */
export class Metrics {
  readonly #registry = new Registry()
  #running: RunningTurn | null = null
  #hub: Hub | null = null
  #web: RunningWeb | null = null
  #errors: SocketErrors | null = null
  #log: ProcessLog | null = null
  #reloads: ReloadHealth | null = null
  #isScraped = false

  constructor() {
    this.#gauge('webrtc_stack_info', 'Version of the program', () => [[{ version: __VERSION__ }, 1]])
    this.#gauge('webrtc_stack_config_last_reload_successful', '0 when the last reload was refused', () =>
      this.#reloads === null ? [] : [[{}, Number(this.#reloads.isGood)]],
    )
    this.#gauge(
      'webrtc_stack_config_last_reload_success_timestamp_seconds',
      'When the configuration in force was read',
      () => (this.#reloads === null ? [] : [[{}, this.#reloads.goodAt / 1000]]),
    )
    this.#counter(
      'webrtc_stack_log_lines_dropped_total',
      'Log lines that were dropped, by who was too slow for them',
      () => [
        [{ reason: 'output' }, this.#log?.output.dropped ?? 0],
        [{ reason: 'main_thread' }, this.#running?.workers?.droppedLines.total ?? 0],
      ],
    )
    this.#rooms()
    this.#turn()
    this.#network()
    this.#coturn()
  }

  /** The parts to read, once they run. */
  watch(
    turn: RunningTurn | null,
    web: RunningWeb | null,
    errors: SocketErrors,
    log: ProcessLog,
    reloads: ReloadHealth,
  ): void {
    this.#reloads = reloads
    this.#running = turn
    this.#web = web
    this.#hub = web?.hub ?? null
    this.#errors = errors
    this.#log = log
  }

  async text(): Promise<{ contentType: string; body: string }> {
    // Node's own: from the first scrape on, because watching the event loop wakes this thread a hundred times a second.
    if (!this.#isScraped) collectDefaultMetrics({ register: this.#registry })
    this.#isScraped = true
    return { contentType: this.#registry.contentType, body: await this.#registry.metrics() }
  }

  get #turnReadings(): TurnReadings | null {
    return this.#running?.readings() ?? null
  }

  #rooms(): void {
    const hub = (read: (hub: Hub) => number) => () => (this.#hub === null ? [] : [[{}, read(this.#hub)] as const])
    this.#gauge(
      'webrtc_stack_rooms',
      'Rooms now',
      hub(({ rooms }) => rooms.size),
    )
    this.#gauge('webrtc_stack_waiting_bytes', 'Bytes that wait in rooms, and that WebSockets have not read', () =>
      this.#hub === null
        ? []
        : labelled('kind', { texts: this.#hub.rooms.waitingBytes, unread: this.#hub.unread.bytes }),
    )
    this.#gauge(
      'webrtc_stack_websockets',
      'Open WebSockets',
      hub(({ connections }) => connections),
    )
    this.#gauge(
      'webrtc_stack_websockets_registered',
      'WebSockets of clients in rooms',
      hub(({ counters }) => counters.openSockets),
    )
    this.#counter(
      'webrtc_stack_registrations_total',
      'Clients that registered',
      hub(({ counters }) => counters.totalSockets),
    )
    this.#counter('webrtc_stack_web_refused_total', 'What got no place at HTTP and signaling ports, by kind', () =>
      Object.entries(this.#web?.refused() ?? {}).flatMap(([kind, counts]) =>
        Object.entries(counts).map(([reason, count]) => [{ kind, reason }, count] as const),
      ),
    )
    this.#counter('webrtc_stack_web_limited_total', 'Requests over a limit of their address, by limit', () =>
      labelled('limit', this.#web?.limited ?? {}),
    )
    this.#counter('webrtc_stack_signaling_errors_total', 'Errors of signaling, by side', () => {
      if (this.#hub === null) return []
      const { socketErrors, httpErrors } = this.#hub.counters
      return [
        [{ side: 'websocket' }, socketErrors],
        [{ side: 'http' }, httpErrors],
      ]
    })
  }

  #turn(): void {
    const all = (read: (readings: TurnReadings) => number) => () => one(this.#turnReadings, read)
    const core = (read: (counters: TurnReadings['turn']) => number) => all(({ turn }) => read(turn))
    const running = (read: (turn: RunningTurn) => number) => () => one(this.#running, read)
    this.#gauge(
      'webrtc_stack_allocations',
      'Allocations now',
      all(({ allocations }) => sum(allocations)),
    )
    this.#gauge(
      'webrtc_stack_relay_sockets',
      'Open relay sockets',
      all(({ relays }) => relays.open),
    )
    this.#gauge(
      'webrtc_stack_draining',
      '1 while no new allocations are taken',
      running(({ isDraining }) => Number(isDraining)),
    )
    this.#gauge('webrtc_stack_relay_threads', 'Threads that relay, by how datagrams are read and sent', () => {
      if (this.#running === null) return []
      const threads = this.#running.workers?.size ?? 0
      return [[{ io: threads > 0 ? 'batch' : 'dgram' }, Math.max(1, threads)]]
    })
    this.#counter(
      'webrtc_stack_relay_thread_deaths_total',
      'Threads that died, with their allocations, and were started again',
      running(({ workers }) => workers?.deaths.total ?? 0),
    )
    this.#counter(
      'webrtc_stack_allocations_created_total',
      'Allocations made',
      core((c) => c.allocationsCreated),
    )
    this.#counter('webrtc_stack_allocations_ended_total', 'Allocations ended, by reason', () =>
      labelled('reason', this.#turnReadings?.turn.endedBy ?? {}),
    )
    this.#counter('webrtc_stack_allocations_refused_total', 'Allocates that met a limit, by what it is for', () =>
      labelled('limit', this.#turnReadings?.turn.refusedAllocations ?? {}),
    )
    this.#counter('webrtc_stack_moves_total', 'Moves of clients to other 5-tuples, by step', () =>
      labelled('step', this.#turnReadings?.turn.moves ?? {}),
    )
    this.#counter(
      'webrtc_stack_turn_requests_total',
      'TURN requests',
      core((c) => c.turnRequests),
    )
    this.#counter(
      'webrtc_stack_turn_successes_total',
      'TURN requests answered with success',
      core((c) => c.turnSuccesses),
    )
    this.#counter('webrtc_stack_stun_errors_total', 'Error answers, by code', () => {
      const errors = this.#turnReadings?.turn.errors ?? []
      return Array.from(errors, ([code, count]) => [{ code: String(code) }, count] as const)
    })
    this.#counter('webrtc_stack_relayed_packets_total', 'Datagrams relayed, by direction', () =>
      this.#directions((c) => [c.toPeerPackets, c.toClientPackets]),
    )
    this.#counter('webrtc_stack_relayed_bytes_total', 'Payload bytes relayed, by direction', () =>
      this.#directions((c) => [c.toPeerBytes, c.toClientBytes]),
    )
    this.#counter('webrtc_stack_dropped_packets_total', 'What was dropped without an answer, by reason', () => {
      const readings = this.#turnReadings
      if (readings === null) return []
      return [...labelled('reason', readings.turn.dropped), ...labelled('reason', readings.net.dropped)]
    })
  }

  #network(): void {
    const clients = (read: (traffic: Traffic) => number) => () =>
      Object.entries(this.#turnReadings?.net.clients ?? {}).map(
        ([transport, traffic]) => [{ transport }, read(traffic)] as const,
      )
    const connections = (read: (net: NetCounters) => Readonly<Record<string, number>>, label: string) => () => {
      const readings = this.#turnReadings
      return readings === null ? [] : labelled(label, read(readings.net))
    }
    this.#counter(
      'webrtc_stack_client_received_packets_total',
      'Packets from clients, by transport',
      clients((t) => t.receivedPackets),
    )
    this.#counter(
      'webrtc_stack_client_received_bytes_total',
      'Bytes from clients, by transport',
      clients((t) => t.receivedBytes),
    )
    this.#counter(
      'webrtc_stack_client_sent_packets_total',
      'Packets to clients, by transport',
      clients((t) => t.sentPackets),
    )
    this.#counter(
      'webrtc_stack_client_sent_bytes_total',
      'Bytes to clients, by transport',
      clients((t) => t.sentBytes),
    )
    this.#counter(
      'webrtc_stack_client_overflow_packets_total',
      'Packets that a client or the system would not take',
      clients((t) => t.overflowPackets),
    )
    this.#counter('webrtc_stack_relay_overflow_packets_total', 'Packets to peers that the system would not take', () =>
      one(this.#turnReadings, ({ net }) => net.relay.overflowPackets),
    )
    this.#gauge(
      'webrtc_stack_connections',
      'Open TURN connections, by transport',
      connections(({ openConnections, dtls }) => ({ ...openConnections, dtls: dtls.sessions }), 'transport'),
    )
    this.#counter(
      'webrtc_stack_connections_opened_total',
      'TURN connections, by transport',
      connections(({ openedConnections, dtls }) => ({ ...openedConnections, dtls: dtls.opened }), 'transport'),
    )
    this.#counter(
      'webrtc_stack_connections_closed_total',
      'TURN connections that ended, by reason',
      connections((net) => net.closedConnections, 'reason'),
    )
    const handshakes = (read: (net: NetCounters) => { readonly tls: number; readonly dtls: number }) => () => {
      const readings = this.#turnReadings
      return readings === null ? [] : labelled('transport', read(readings.net))
    }
    this.#gauge(
      'webrtc_stack_handshakes',
      'TLS and DTLS handshakes on TURN ports under way, by transport',
      handshakes(({ tls, dtls }) => ({ tls: tls.handshakes, dtls: dtls.handshakes })),
    )
    this.#counter(
      'webrtc_stack_handshakes_refused_total',
      'Handshakes that met a limit, by transport',
      handshakes(({ dtls, closedConnections }) => ({
        tls: closedConnections['too-many-handshakes'],
        dtls: dtls.refused,
      })),
    )
    this.#counter(
      'webrtc_stack_handshakes_failed_total',
      'Handshakes that came to nothing, by transport',
      handshakes(({ dtls, closedConnections }) => ({ tls: closedConnections.handshake, dtls: dtls.handshakesFailed })),
    )
    this.#counter('webrtc_stack_peer_errors_total', 'ICMP messages about what was sent to peers', () =>
      one(this.#turnReadings, ({ net }) => net.peerErrors),
    )
    this.#counter('webrtc_stack_socket_errors_total', 'Errors of sockets, by kind and code', () =>
      [...(this.#running?.socketErrors ?? []), ...(this.#errors?.entries ?? [])].map(
        ([kind, code, count]) => [{ kind, code }, count] as const,
      ),
    )
  }

  /** The names that coturn's dashboards read. */
  #coturn(): void {
    const core = (read: (counters: TurnReadings['turn']) => number) => () =>
      one(this.#turnReadings, ({ turn }) => read(turn))
    this.#counter(
      'stun_binding_request',
      'Binding requests',
      core((c) => c.bindingRequests),
    )
    this.#counter(
      'stun_binding_response',
      'Binding answers',
      core((c) => c.bindingSuccesses),
    )
    this.#counter(
      'stun_binding_error',
      'Binding requests that were refused',
      core((c) => c.bindingRequests - c.bindingSuccesses),
    )
    this.#gauge('turn_total_allocations', 'Allocations now, by transport of the client', () => {
      const readings = this.#turnReadings
      if (readings === null) return []
      const transports = Object.entries(COTURN_TRANSPORTS) as [keyof typeof COTURN_TRANSPORTS, string][]
      return transports.map(([transport, type]) => [{ type }, readings.allocations[transport]] as const)
    })
    this.#counter(
      'turn_total_traffic_rcvp',
      'Packets that clients sent to peers',
      core((c) => c.toPeerPackets),
    )
    this.#counter(
      'turn_total_traffic_rcvb',
      'Bytes that clients sent to peers',
      core((c) => c.toPeerBytes),
    )
    this.#counter(
      'turn_total_traffic_sentp',
      'Packets that clients got from peers',
      core((c) => c.toClientPackets),
    )
    this.#counter(
      'turn_total_traffic_sentb',
      'Bytes that clients got from peers',
      core((c) => c.toClientBytes),
    )
    this.#counter(
      'turn_total_traffic_peer_rcvp',
      'Packets from peers',
      core((c) => c.toClientPackets),
    )
    this.#counter(
      'turn_total_traffic_peer_rcvb',
      'Bytes from peers',
      core((c) => c.toClientBytes),
    )
    this.#counter(
      'turn_total_traffic_peer_sentp',
      'Packets to peers',
      core((c) => c.toPeerPackets),
    )
    this.#counter(
      'turn_total_traffic_peer_sentb',
      'Bytes to peers',
      core((c) => c.toPeerBytes),
    )
    this.#counter(
      'turn_packet_processed',
      'Packets relayed',
      core((c) => c.toPeerPackets + c.toClientPackets),
    )
    this.#counter(
      'turn_packet_dropped',
      'Packets dropped',
      core((c) => sum(c.dropped)),
    )
    this.#counter(
      'turn_unauthenticated_401_responses',
      'Answers that ask for credentials',
      core((c) => c.errors.get(401) ?? 0),
    )
    this.#counter(
      'turn_unauthenticated_401_dropped_responses',
      'Of these, held back by the limit',
      core((c) => c.dropped['challenge-limit']),
    )
  }

  #directions(read: (counters: TurnReadings['turn']) => readonly [number, number]): Reading[] {
    const readings = this.#turnReadings
    if (readings === null) return []
    const [toPeer, toClient] = read(readings.turn)
    return [
      [{ direction: 'to_peer' }, toPeer],
      [{ direction: 'to_client' }, toClient],
    ]
  }

  #gauge(name: string, help: string, read: () => readonly Reading[]): void {
    const gauge = new Gauge({
      name,
      help,
      labelNames: LABELS,
      registers: [this.#registry],
      collect: () => {
        gauge.reset()
        for (const [labels, value] of read()) gauge.set({ ...labels }, value)
      },
    })
  }

  #counter(name: string, help: string, read: () => readonly Reading[]): void {
    const counter = new Counter({
      name,
      help,
      labelNames: LABELS,
      registers: [this.#registry],
      collect: () => {
        counter.reset()
        for (const [labels, value] of read()) counter.inc({ ...labels }, value)
      },
    })
  }
}

const LABELS = ['version', 'io', 'side', 'kind', 'code', 'direction', 'reason', 'transport', 'type', 'limit', 'step']
const COTURN_TRANSPORTS = { udp: 'UDP', tcp: 'TCP', tls: 'TLS/TCP', dtls: 'DTLS' } as const

function one<Source>(source: Source | null, read: (source: Source) => number): Reading[] {
  return source === null ? [] : [[{}, read(source)]]
}

function labelled(name: string, counts: Readonly<Record<string, number>>): Reading[] {
  return Object.entries(counts).map(([value, count]) => [{ [name]: value }, count])
}

function sum(counts: Readonly<Record<string, number>>): number {
  return Object.values(counts).reduce((total, count) => total + count, 0)
}
