import type { Status } from '../../operator/operations.ts'
import { ExitCode } from '../exit-code.ts'
import type { Terminal } from '../terminal.ts'
import type { OperatorClient } from './client.ts'
import { bytes, counts, duration, plain } from './table.ts'

/** What the running server is, has and has done. */
export async function status(
  client: OperatorClient,
  { json }: { readonly json?: true },
  terminal: Terminal,
): Promise<number> {
  const now = await client.get<Status>('/v1/status')
  terminal.out(json ? JSON.stringify(now, null, 2) : linesOf(now).join('\n'))
  return ExitCode.OK
}

function linesOf(now: Status): string[] {
  const { turn, rooms, draining, lastReload } = now
  const line = (name: string, text: string) => `${name.padEnd(NAME_COLUMN)}${text}`
  const reload = lastReload.isGood ? '' : '; the last reload was refused, see the log or `webrtc-stack reload`'
  return [
    line('webrtc-stack', `${now.version}, Node ${now.node}, process ${now.pid}, up ${duration(now.uptimeSeconds)}`),
    line(
      'state',
      draining === null
        ? now.unreadyBecause === null
          ? 'ready'
          : `not ready: ${plain(now.unreadyBecause)}`
        : drainText(draining),
    ),
    line('configuration', `read ${lastReload.configurationReadAt}${reload}`),
    line('log level', now.logLevel),
    ...(turn === null ? [] : turnLines(turn).map(([name, text]) => line(name, text))),
    ...(rooms === null ? [] : [line('rooms', `${rooms.open}, ${rooms.registered} clients with a WebSocket`)]),
    ...now.listeners.map(({ service, transport, address }, i) => {
      return line(i === 0 ? 'listening' : '', `${service} ${transport} ${plain(address)}`)
    }),
  ]
}

const NAME_COLUMN = 16

function drainText({ since, deadline, isOver }: NonNullable<Status['draining']>): string {
  const until =
    deadline === null ? 'without a deadline' : isOver ? `everything was ended at ${deadline}` : `until ${deadline}`
  return `draining since ${since}, ${until}; \`webrtc-stack undrain\` takes new calls again`
}

function turnLines(turn: NonNullable<Status['turn']>): [name: string, text: string][] {
  const { udp, tcp, tls, dtls } = turn.allocations
  const threads = turn.relayThreads === 0 ? 'the main thread' : `${turn.relayThreads} threads`
  const deaths = turn.threadDeaths === 0 ? '' : `; ${turn.threadDeaths} have died and were started again`
  return [
    [
      'sessions',
      `${udp + tcp + tls + dtls} (udp ${udp}, tcp ${tcp}, tls ${tls}, dtls ${dtls}), ${turn.allocationsCreated} so far`,
    ],
    ['relayed by', `${threads}${deaths}`],
    ['to peers', `${bytes(turn.toPeerBytes)} in ${turn.toPeerPackets} packets`],
    ['to clients', `${bytes(turn.toClientBytes)} in ${turn.toClientPackets} packets`],
    ['ended', counts(turn.allocationsEnded)],
    ['refused', counts(turn.refused)],
    ['dropped', counts(turn.dropped)],
  ]
}
