import { type Listener, listeners } from '../config/listeners.ts'
import type { Config } from '../config/options.ts'
import { createLog } from '../log.ts'
import { bracketed } from '../start/addresses.ts'
import { listenAdvice } from '../start/listen-advice.ts'
import { accountPlan } from '../start/plan/account-plan.ts'
import { rehearse } from '../start/rehearsal.ts'
import { type Finding, failure, ok, warning } from './finding.ts'
import { isOurs, isTurnAlone, nameOf, type Owner, ownersOf, readOr, wordsOf } from './owners.ts'

export interface PortsSeen {
  readonly findings: readonly Finding[]
  /** The running server; null where it may not be seen, false where none runs. */
  readonly server: Owner | null | false
}

/** Whether the ports of the configuration are free, ours or somebody else's, and whether its database answers. */
export async function lookAtPorts(config: Config): Promise<PortsSeen> {
  const { stops, busy, accounts } = await rehearse(config, createLog({ level: 'silent', pretty: false }))
  const held = busy.map((listener) => ({ listener, owners: ownersOf(listener.transport, listener.port) }))
  const server = serverAmong(
    held.flatMap(({ owners }) => owners),
    busy.length > 0,
  )
  const taken = new Set([
    ...busy.map(place),
    ...stops.map(({ transport, address, port }) => place({ transport, host: address, port })),
  ])
  const wanted = listeners(config).filter(({ server: part }) => part === 'TURN' || !server || !isTurnAlone(server))
  const free = wanted.filter((listener) => !taken.has(place(listener)))
  return {
    server,
    findings: [
      ...stops.map((error) => failure('ports', error.message, listenAdvice(error, config))),
      ...portVerdicts(held, free, server),
      ...pidFile(config, server),
      ...(accountPlan(config) === null ? [] : [databaseVerdict(accounts)]),
    ],
  }
}

/** `trouble` is what stands in the way of asking it. */
function databaseVerdict(trouble: string | null): Finding {
  if (trouble === null) return ok('database', 'the account database answers')
  return failure('database', trouble, 'start it, and compare host, login and rights with the configuration')
}

export interface HeldPort {
  readonly listener: Listener
  readonly owners: readonly Owner[]
}

export function portVerdicts(
  held: readonly HeldPort[],
  free: readonly Listener[],
  server: PortsSeen['server'],
): Finding[] {
  const foreign = held.filter(({ owners }) => owners.length > 0 && !owners.some(isOurs))
  const findings = foreign.map(({ listener, owners }) =>
    failure(
      'ports',
      `${place(listener)} belongs to ${nameOf(owners[0]!)}`,
      `stop that program, or choose another port with ${listener.portKey}=`,
    ),
  )
  if (server === false) {
    const text = foreign.length === 0 ? 'all free: the server is not running' : 'the server is not running'
    return [...findings, failure('ports', text, 'start it: webrtc-stack serve, or systemctl start webrtc-stack')]
  }
  const ours = held.length - foreign.length
  const who =
    server === null
      ? 'in use (as root I could say by whom)'
      : `${ours === 1 ? 'is' : 'are'} ours (process ${server.pid})`
  if (ours > 0) findings.push(ok('ports', `${ours} of ${held.length + free.length} ${who}`))
  for (const listener of free)
    findings.push(
      failure(
        'ports',
        `${place(listener)} (${listener.server}) is not open`,
        'restart the server: it runs with another configuration',
      ),
    )
  return findings
}

function serverAmong(owners: readonly Owner[], isBusy: boolean): PortsSeen['server'] {
  const own = owners.find(isOurs)
  if (own !== undefined) return own
  // What another user has has no owner that can be seen.
  return isBusy && owners.length === 0 ? null : false
}

/** A file that names a process which is gone, or another program, makes whoever reads it signal the wrong one. */
function pidFile({ pidfile }: Config, server: PortsSeen['server']): Finding[] {
  const text = pidfile === null ? null : readOr(pidfile, null)
  if (text === null) return []
  const pid = Number(text)
  const words = wordsOf(pid)
  if (words !== null && (server === null || server === false ? isOurs({ pid, words }) : server.pid === pid)) return []
  const who = words === null ? 'which is gone' : `which is ${nameOf({ pid, words })}`
  return [
    warning('pidfile', `${pidfile} names process ${text.trim()}, ${who}`, `remove ${pidfile} and restart the server`),
  ]
}

function place({ transport, host, port }: Pick<Listener, 'transport' | 'host' | 'port'>): string {
  return `${transport} ${bracketed(host)}:${port}`
}
