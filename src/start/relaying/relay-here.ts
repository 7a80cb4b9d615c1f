import { randomBytes } from 'node:crypto'
import type { Log } from '../../log.ts'
import { PortableTurn } from '../../net/portable-turn.ts'
import type { StreamConnection } from '../../net/stream/connection.ts'
import type { FindAccount } from '../../threads/accounts.ts'
import { addReadings, TurnReadings } from '../../threads/shared-counters.ts'
import { Quota } from '../../turn/limits/quota.ts'
import { SourceCount } from '../../turn/limits/source-count.ts'
import { type PortMemory, RelayPorts } from '../../turn/relay-addresses/relay-ports.ts'
import { tellingOfEnds } from '../../turn/sessions/ended-session.ts'
import { TurnServer } from '../../turn/turn-server.ts'
import type { NetPlan } from '../plan/net-options.ts'
import type { TurnPlan } from '../plan/turn-plan.ts'
import { type DtlsPlan, dtlsOf } from './dtls.ts'
import { handshakeShare, handshakesOf } from './handshakes.ts'
import type { EndsListener, Relaying } from './relaying.ts'
import { accountCache, type TurnRun, turnOptions } from './turn-options.ts'

/** Relays on this thread: the portable way. */
export function relayHere(
  plan: TurnPlan,
  portMemory: PortMemory,
  run: TurnRun,
  options: NetPlan,
  secure: DtlsPlan | null,
  findAccount: FindAccount | null,
  log: Log,
  ends: EndsListener,
): Relaying {
  const { memory } = run
  const { clock } = options
  const shares = {
    quota: new Quota(memory.quota),
    relayPorts: new RelayPorts(plan.ports, randomBytes, { thread: 0, claims: portMemory }),
    sources: new SourceCount(),
    stored: accountCache(plan, (account) => {
      if (findAccount === null) return false
      findAccount(account, (answer) => driver.turn.accountFound(account, answer, clock()))
      return true
    }),
  }
  const dtls = secure === null ? null : dtlsOf(secure, plan, memory.handshakes, 0, log)
  const handshakes = handshakesOf<StreamConnection>(plan, memory.handshakes, 'tls', 0)
  const here = new PortableTurn(
    { ...options, dtls: dtls?.open ?? null, handshakes },
    (effects, events) =>
      new TurnServer(turnOptions(plan, run, shares), effects, {
        random: randomBytes,
        events: tellingOfEnds(events, options.clock, (session) => ends.ended({ sessions: [session], lost: 0 }, 0)),
      }),
    log,
  )
  const { driver } = here
  const own = new TurnReadings(driver.turn.counters, driver.counters)
  return {
    here,
    workers: null,
    get addresses() {
      return here.addresses
    },
    start: () => here.start(),
    apply: async (next, ports, limits) => {
      shares.relayPorts.apply(next.ports, ports)
      shares.quota.limit(next.quota)
      driver.turn.apply(turnOptions(next, run, shares))
      driver.limitStreams(limits)
      handshakes.apply(handshakeShare(next, memory.handshakes, 'tls'))
      dtls?.limit(next)
      return true
    },
    prepare: (endpoints, wanted) => here.prepare(endpoints, wanted),
    reload: (tls, next) => {
      if (tls !== null) driver.reload(tls)
      if (next !== null) dtls?.apply(next)
    },
    // Its log is the program's.
    setLogLevel: () => {},
    drain: (on) => driver.turn.drain(on),
    threads: 1,
    sessions: async (_, question) => driver.turn.sessions.answer(question, options.clock()),
    readings: () => {
      own.update(driver.turn.allocations.open, driver.openRelays)
      const copy = new TurnReadings()
      addReadings(copy, own)
      return copy
    },
    get socketErrors() {
      return driver.errors.entries
    },
    close: () => here.close(),
  }
}
