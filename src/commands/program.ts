import { Command, CommanderError } from 'commander'
import { ConfigError, UsageError } from '../config/config-error.ts'
import { type Flags, readFlags } from '../config/flags.ts'
import { nearest } from '../config/nearest.ts'
import type { Setting } from '../config/setting.ts'
import { BENCH_FLAGS, type BenchWords, bench } from './bench.ts'
import { checkConfig } from './check-config.ts'
import { credentials } from './credentials.ts'
import { type DoctorWords, doctor } from './doctor.ts'
import { ExitCode } from './exit-code.ts'
import { allHelp, shortHelp } from './help.ts'
import { init } from './init.ts'
import { addOperatorCommands, OPERATOR_FLAGS } from './operator/commands.ts'
import { LOGIN_FLAGS, type LoginWords, stun, turn } from './probes.ts'
import { serve } from './serve.ts'
import { systemd } from './systemd.ts'
import { processTerminal, type Terminal, tolerateLostOutput } from './terminal.ts'
import { filesComplaint } from './too-many-files.ts'

/** Long flags that belong to commands, not to the configuration. */
const OWN_FLAGS: ReadonlySet<string> = new Set(['help', 'help-all', 'version', 'show', 'json', 'lifetime'])
const COMMAND_FLAGS: ReadonlyMap<string, ReadonlySet<string>> = new Map([
  ['bench', BENCH_FLAGS],
  ['turn', LOGIN_FLAGS],
  ['doctor', new Set([...LOGIN_FLAGS, 'stun-server'])],
  ...OPERATOR_FLAGS,
])

const STARTS = ['serve', 'turnserver']

interface Help {
  readonly help?: true
  readonly helpAll?: true
}

/** What whoever starts a `turnserver` means, whatever the file says. */
const TURN_ALONE: readonly Setting[] = [
  ...(['rooms', 'signaling'] as const).map((name): Setting => {
    return { name, text: 'off', origin: { source: 'flag', flag: 'turnserver' } }
  }),
  { name: 'turn', text: 'on', origin: { source: 'flag', flag: 'turnserver' } },
]

/** Runs one command line to its end and returns the exit code; `remarks` are for whoever starts a server. */
export async function run(
  words: readonly string[],
  remarks: readonly string[] = [],
  terminal: Terminal = processTerminal,
): Promise<number> {
  try {
    return await dispatch(readFlags(words, OWN_FLAGS, COMMAND_FLAGS), remarks, terminal)
  } catch (error) {
    return report(error, terminal)
  }
}

async function dispatch(flags: Flags, remarks: readonly string[], terminal: Terminal): Promise<number> {
  let exitCode: number = ExitCode.OK
  const program = new Command('webrtc-stack')
    .exitOverride()
    .configureOutput({ writeOut: (text) => terminal.out(text.trimEnd()), outputError: () => {} })
    .version(__VERSION__, '--version')
    .helpCommand(false)
    .helpOption(false)

  const serveWith = (settings: readonly Setting[]) => async (words: string[], asked: Help) => {
    if (asked.helpAll) return terminal.out(allHelp())
    if (asked.help) return terminal.out(shortHelp())
    const file = words.find(isFile)
    if (file !== undefined) throw new UsageError(`"${file}" alone means nothing: a file is named with -c ${file}`)
    const [extra] = words
    if (extra !== undefined && !STARTS.includes(flags.rest[0] ?? '')) throw unknownCommand(extra, program)
    const ignored = words.map((word) => ({ where: word, message: 'unknown argument, ignored' }))
    if (terminal === processTerminal) tolerateLostOutput()
    const all = { settings: [...flags.settings, ...settings], warnings: [...flags.warnings, ...ignored] }
    exitCode = await serve({ ...flags, ...all }, remarks, terminal)
  }
  program
    .command('serve [words...]', { isDefault: true })
    .description('Start the servers')
    .helpOption(false)
    .option('--help')
    .option('--help-all')
    .action(serveWith([]))
  program
    .command('turnserver [words...]')
    .description("Start the TURN server alone, with coturn's command line")
    .helpOption(false)
    .option('--help')
    .option('--help-all')
    .action(serveWith(TURN_ALONE))
  program
    .command('check-config')
    .description('Say whether the configuration is right, and what is not')
    .option('--show', 'print every value in force and where it comes from')
    .option('--json', 'as JSON')
    .helpOption('--help', 'print this')
    .action(async (asked: { show?: true; json?: true }) => {
      exitCode = await checkConfig(flags, asked, terminal)
    })
  program
    .command('init')
    .description('Write a turnserver.conf with a fresh secret; -c names another file')
    .helpOption('--help', 'print this')
    .action(() => {
      exitCode = init(flags.file === null || flags.file === false ? 'turnserver.conf' : flags.file, terminal)
    })
  program
    .command('credentials [user]')
    .description('Make a time-limited user name and password for the TURN server')
    .option('--lifetime <seconds>', 'how long they work', '86400')
    .option('--json', 'as JSON, with iceServers for a browser')
    .helpOption('--help', 'print this')
    .action(async (user: string | undefined, asked: { lifetime: string; json?: true }) => {
      exitCode = await credentials(flags, { user: user ?? null, ...asked }, terminal)
    })
  program
    .command('bench')
    .description('Load a TURN server of your own and measure loss and delay')
    .option('--server <uri>', "turn:HOST:PORT?transport=udp or HOST:PORT (default: this machine's server)")
    .option('--user <name>', 'log in as this user, with --password')
    .option('--password <word>')
    .option('--secret <text>', "or with a name made of the server's static-auth-secret (default: the configuration's)")
    .option('--allocations <n>', 'clients, with one channel to a peer each', '10')
    .option('--rate <n>', 'packets a second, all clients and directions together', '5000')
    .option('--size <bytes>', 'payload of each packet', '200')
    .option('--seconds <n>', 'how long', '10')
    .option('--direction <way>', 'up (client to peer), down or both', 'both')
    .option('--transport <name>', 'udp, tcp or tls')
    .option('--peer-address <ip>', 'address of this machine for the peers; the server must be able to reach it')
    .option('--i-own-this-server', 'the server is not on loopback, and it is yours')
    .option('--json', 'as JSON')
    .helpOption('--help', 'print this')
    .action(async (words: BenchWords) => {
      exitCode = await bench(flags, words, terminal)
    })
  program
    .command('doctor [urls...]')
    .description('Say what works and what does not: here, or of https://HOST/, stun: and turn: URIs')
    .option('--stun-server <host>', 'ask this server how strangers see this machine')
    .option('-u, --user <name>', 'log in at those URIs as this user, with --password')
    .option('-w, --password <word>')
    .option('--secret [text]', "or with a name made of static-auth-secret (alone: the configuration's)")
    .option('--json', 'as JSON')
    .helpOption('--help', 'print this')
    .action(async (urls: string[], asked: DoctorWords) => {
      exitCode = await doctor(flags, urls, asked, terminal)
    })
  program
    .command('stun <host>')
    .description('Ask a STUN server where it sees this machine: HOST:PORT over each transport, or a stun: URI')
    .option('--json', 'as JSON')
    .helpOption('--help', 'print this')
    .action(async (host: string, asked: { json?: true }) => {
      exitCode = await stun(host, asked, terminal)
    })
  program
    .command('turn <uri>')
    .description('Relay packets between two allocations at a TURN server')
    .option('-u, --user <name>', 'log in as this user, with --password')
    .option('-w, --password <word>')
    .option('--secret [text]', "or with a name made of static-auth-secret (alone: the configuration's)")
    .option('--json', 'as JSON')
    .helpOption('--help', 'print this')
    .action(async (uri: string, asked: LoginWords & { json?: true }) => {
      exitCode = await turn(flags, uri, asked, terminal)
    })
  program
    .command('systemd')
    .description('Print a systemd unit that runs this configuration')
    .helpOption('--help', 'print this')
    .action(async () => {
      exitCode = await systemd(flags, terminal)
    })
  addOperatorCommands(program, flags, terminal, (code) => {
    exitCode = code
  })
  program
    .command('version')
    .description('Print the version')
    .helpOption('--help', 'print this')
    .action(() => terminal.out(__VERSION__))

  await program.parseAsync(flags.rest, { from: 'user' })
  return exitCode
}

/** Whether a left-over word is the file that somebody means to start with. */
function isFile(word: string): boolean {
  return word.includes('/') || word.endsWith('.conf')
}

function unknownCommand(word: string, program: Command): UsageError {
  const near = nearest(
    word,
    program.commands.map((command) => command.name()),
  )
  return new UsageError(`unknown command "${word}"; ${near === null ? 'see --help' : `did you mean "${near}"?`}`)
}

function report(error: unknown, terminal: Terminal): number {
  if (error instanceof ConfigError) {
    for (const problem of [error, ...error.others]) terminal.err(problem.toLine())
    return ExitCode.CONFIG
  }
  if (error instanceof UsageError) {
    terminal.err(`webrtc-stack: ${error.message}`)
    return ExitCode.USAGE
  }
  if (error instanceof CommanderError) {
    if (error.exitCode === 0) return ExitCode.OK
    terminal.err(`webrtc-stack: ${error.message.replace(/^error: /, '')}`)
    return ExitCode.USAGE
  }
  const complaint = filesComplaint(error)
  if (complaint !== null) {
    terminal.err(`webrtc-stack: ${complaint}`)
    return ExitCode.FAILED
  }
  terminal.err(`webrtc-stack: this is a bug: ${error instanceof Error ? error.stack : String(error)}`)
  return ExitCode.BUG
}
