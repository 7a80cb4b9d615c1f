import type { Scrape } from './sources.ts'
import { counters, gauges, type Metric, type Sample, sum } from './table.ts'

const turn = (scrape: Scrape) => scrape.turn
const accounts = (scrape: Scrape) => scrape.turn?.accounts ?? null
const all = (scrape: Scrape) => scrape.readings
const core = (scrape: Scrape) => scrape.readings?.turn ?? null

/** Allocations, requests, and what is relayed. */
export const turnMetrics: readonly Metric[] = [
  ...gauges(all, [
    ['webrtc_stack_allocations', 'Allocations now', '', ({ allocations }) => sum(allocations)],
    ['webrtc_stack_relay_sockets', 'Open relay sockets', '', ({ relays }) => relays.open],
  ]),
  ...gauges(turn, [
    ['webrtc_stack_draining', '1 while no new allocations are taken', '', (t) => Number(t.isDraining)],
    [
      'webrtc_stack_relay_threads',
      'Threads that relay, by how datagrams are read and sent',
      'io',
      (t): Record<string, number> => (t.workers?.size ? { batch: t.workers.size } : { dgram: 1 }),
    ],
  ]),
  ...counters(turn, [
    [
      'webrtc_stack_relay_thread_deaths_total',
      'Threads that died, with their allocations, and were started again',
      '',
      ({ workers }) => workers?.deaths.total ?? 0,
    ],
  ]),
  ...gauges(accounts, [
    ['webrtc_stack_account_database_up', '0 while the database of accounts does not answer', '', (a) => Number(a.isUp)],
  ]),
  ...counters(accounts, [
    [
      'webrtc_stack_account_database_errors_total',
      'What went wrong with the database of accounts: no answer, or a value that cannot be used',
      'kind',
      ({ counters: { failures, unusable } }) => ({ no_answer: failures, unusable }),
    ],
  ]),
  ...counters(core, [
    [
      'webrtc_stack_account_lookups_total',
      'Accounts that the database was asked for, by what it said',
      'answer',
      (c) => c.accounts,
    ],
    ['webrtc_stack_allocations_created_total', 'Allocations made', '', (c) => c.allocationsCreated],
    ['webrtc_stack_allocations_ended_total', 'Allocations ended, by reason', 'reason', (c) => c.endedBy],
    [
      'webrtc_stack_allocations_refused_total',
      'Allocates that met a limit, by what it is for',
      'limit',
      (c) => c.refusedAllocations,
    ],
    ['webrtc_stack_moves_total', 'Moves of clients to other 5-tuples, by step', 'step', (c) => c.moves],
    [
      'webrtc_stack_turn_peer_connections_total',
      'TCP connections with peers (RFC 6062), by what became of them',
      'step',
      (c) => c.peerConnections,
    ],
    ['webrtc_stack_turn_requests_total', 'TURN requests', '', (c) => c.turnRequests],
    ['webrtc_stack_turn_successes_total', 'TURN requests answered with success', '', (c) => c.turnSuccesses],
    [
      'webrtc_stack_stun_errors_total',
      'Error answers, by code',
      'code',
      (c) => Array.from(c.errors, ([code, count]): Sample => [[`${code}`], count]),
    ],
    [
      'webrtc_stack_relayed_packets_total',
      'Datagrams relayed, by direction',
      'direction',
      (c) => ({ to_peer: c.toPeerPackets, to_client: c.toClientPackets }),
    ],
    [
      'webrtc_stack_relayed_bytes_total',
      'Payload bytes relayed, by direction',
      'direction',
      (c) => ({ to_peer: c.toPeerBytes, to_client: c.toClientBytes }),
    ],
  ]),
  ...counters(all, [
    [
      'webrtc_stack_dropped_packets_total',
      'What was dropped without an answer, by reason',
      'reason',
      (a) => ({ ...a.turn.dropped, ...a.net.dropped }),
    ],
  ]),
]
