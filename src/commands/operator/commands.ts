import type { Command } from 'commander'
import type { Flags } from '../../config/flags.ts'
import type { Terminal } from '../terminal.ts'
import { OperatorClient, OperatorFailure } from './client.ts'

const FILTERS = ['user', 'address', 'peer', 'transport', 'older-than']

/** Flags that stand for something else behind these commands than in the configuration. */
export const OPERATOR_FLAGS: ReadonlyMap<string, ReadonlySet<string>> = new Map([
  ['sessions', new Set([...FILTERS, 'limit', 'watch'])],
  ['disconnect', new Set([...FILTERS, 'reason'])],
  ['close-room', new Set(['reason'])],
  ['drain', new Set(['deadline'])],
])

/** The commands that ask the running server; `ended` is told each one's exit code. */
export function addOperatorCommands(
  program: Command,
  flags: Flags,
  terminal: Terminal,
  ended: (exitCode: number) => void,
): void {
  /** What a command does, loaded when it is needed; failures are told in one line. */
  const asking = async (ask: (client: OperatorClient) => Promise<number>) => {
    try {
      ended(await ask(new OperatorClient(flags)))
    } catch (error) {
      if (!(error instanceof OperatorFailure)) throw error
      terminal.err(`webrtc-stack: ${error.message}`)
      ended(error.exitCode)
    }
  }
  const verbs = () => import('./verbs.ts')
  const command = (usage: string, description: string) =>
    program
      .command(usage)
      .description(description)
      .option('--json', 'as JSON')
      .helpOption('--help', 'print this')
      .addHelpText('after', '\nAsks the running server over its unix socket, which --operator-socket names.')
  const filtered = (made: Command) =>
    made
      .option('--user <name>', 'of this user; of temporary names, the part that is the user')
      .option('--address <ip>', 'whose client is there: an address, with a port or not, or a range (192.0.2.0/24)')
      .option('--peer <ip>', 'that may exchange data with this address')
      .option('--transport <name>', 'udp, tcp, tls or dtls')
      .option('--older-than <time>', 'begun so long ago or more: seconds, or 15m, 2h, 1d')

  command('status', 'Say what the running server is, has and has done').action((asked) =>
    asking(async (client) => (await import('./status.ts')).status(client, asked, terminal)),
  )
  filtered(command('sessions', 'List who is relayed now'))
    .option('--limit <n>', 'at most so many', '200')
    .option('--watch', 'again every two seconds, until Ctrl-C')
    .action((asked) =>
      asking(async (client) => {
        const interrupted = new AbortController()
        const stop = () => interrupted.abort()
        if (asked.watch) for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, stop)
        return (await import('./sessions.ts')).sessions(client, asked, terminal, interrupted.signal)
      }),
    )
  command('session <id>', 'Say all that is known of one session').action((id: string, asked) =>
    asking(async (client) => (await import('./sessions.ts')).session(client, id, asked, terminal)),
  )
  filtered(
    command('disconnect [id]', 'End sessions: one by its id, or all that are meant; their clients may come back'),
  )
    .option('--reason <words>', 'for the log')
    .action((id: string | undefined, asked) =>
      asking(async (client) => (await verbs()).disconnect(client, { ...asked, id }, terminal)),
    )
  command('rooms', 'List the rooms').action((asked) =>
    asking(async (client) => (await verbs()).rooms(client, asked, terminal)),
  )
  command('close-room <room>', 'Say bye to everybody in a room')
    .option('--reason <words>', 'what they are told')
    .action((room: string, asked) => asking(async (client) => (await verbs()).closeRoom(client, room, asked, terminal)))
  command('drain', 'Take no new calls; those that run go on, until the deadline if there is one')
    .option('--deadline <time>', 'end what still runs then: seconds, or 15m, 2h, 1d')
    .action((asked) => asking(async (client) => (await verbs()).drain(client, asked, terminal)))
  command('undrain', 'Take new calls again').action((asked) =>
    asking(async (client) => (await verbs()).undrain(client, asked, terminal)),
  )
  command('reload', 'Read the configuration and certificates again, and say what has changed').action((asked) =>
    asking(async (client) => (await verbs()).reload(client, asked, terminal)),
  )
  command(
    'log-level [level]',
    'Say the least level that is logged, or change it: debug, info, warning or error',
  ).action((level: string | undefined, asked) =>
    asking(async (client) => (await verbs()).logLevel(client, level, asked, terminal)),
  )
  command('certificates', 'Say which certificates are served, and for how long').action((asked) =>
    asking(async (client) => (await verbs()).certificates(client, asked, terminal)),
  )
}
