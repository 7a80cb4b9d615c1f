import { accessSync, constants, existsSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import { ConfigError } from '../config/config-error.ts'
import type { Flags } from '../config/flags.ts'
import { loadConfig } from '../config/load.ts'
import type { Config } from '../config/options.ts'
import { createLog, type Log, type LogOptions, type ProcessLog } from '../log.ts'
import { ListenError } from '../net/listen/listen-error.ts'
import { dropRights } from '../start/drop-rights.ts'
import { listenAdvice } from '../start/listen-advice.ts'
import { logLevel } from '../start/plan/log-level.ts'
import { filesOf, watchFiles } from '../start/watch-files.ts'
import { ExitCode } from './exit-code.ts'
import { type ProcessEvents, untilStopped } from './lifecycle.ts'
import { processTerminal, type Terminal } from './terminal.ts'

/** Starts everything and returns when a signal has ended it. */
export async function serve(flags: Flags, remarks: readonly string[], terminal: Terminal): Promise<number> {
  const loaded = await loadConfig(flags)
  const { config } = loaded
  const log = openLog(config)
  const machine = processEvents(log)
  for (const remark of remarks) log.warn({}, remark)
  for (const { where, message, inSummary } of loaded.warnings)
    if (!inSummary || config['no-stdout-log']) log.warn(where === null ? {} : { where }, message)

  // Loaded late, so that help and complaints about the configuration come at once.
  const { startServer } = await import('../server.ts')
  try {
    return await untilStopped(
      log,
      async (requestReload) => {
        const server = await startServer(loaded, { log, load: () => loadConfig(flags) })
        // On a terminal, what the log has said of the start stands above the summary.
        await log.output.written(BEFORE_SUMMARY_MS)
        if (!config['no-stdout-log']) terminal.out(server.summary)
        if (config.pidfile !== null) writePid(config.pidfile, log)
        dropRights(config, log, server.operatorFiles)
        const stopWatching = config['reload-on-change'] ? watchFiles(filesOf(loaded), requestReload) : () => {}
        return {
          close: () => {
            stopWatching()
            return server.close()
          },
          drain: () => void server.operations.drain(null),
          reload: async () => void (await server.operations.reload()),
        }
      },
      machine,
    )
  } catch (error) {
    if (!(error instanceof ListenError)) throw error
    terminal.err(`webrtc-stack: ${listenAdvice(error, config)}`)
    return ExitCode.FAILED
  } finally {
    if (config.pidfile !== null) rmSync(config.pidfile, { force: true })
    await log.output.written(LAST_WORDS_MS)
    // Standard output may not be read any more; that keeps no server alive that has ended.
    if (terminal === processTerminal) setTimeout(() => machine.exit(process.exitCode), LAST_WORDS_MS).unref()
  }
}

const BEFORE_SUMMARY_MS = 100
/** For the last lines of the log, and then for what was printed, to be taken. */
const LAST_WORDS_MS = 1000

/** This process; whose exit() would wait for a write to a disk that hangs. */
function processEvents(log: ProcessLog): ProcessEvents {
  return {
    on: (event, listener) => process.on(event, listener),
    off: (event, listener) => process.off(event, listener),
    exit: (code) => {
      if (log.output.hangs) process.kill(process.pid, 'SIGKILL')
      process.exit(code)
    },
  }
}

/** coturn's keys for the log, in pino's terms. */
export function logOptions(config: Config, isTerminal: boolean): LogOptions {
  const file = config['log-file']
  const destination = file === null ? null : (STANDARD_OUTPUTS.get(file) ?? file)
  const readByPeople = config.dev || (isTerminal && destination === null)
  return {
    level: logLevel(config),
    pretty: config['log-format'] === 'auto' ? readByPeople : config['log-format'] === 'pretty',
    ...(destination === null ? {} : { destination }),
    ...(config.syslog ? { syslog: config['syslog-facility'] } : {}),
  }
}

/** Names of what is open already, which cannot always be opened by its name: under systemd it is a socket. */
const STANDARD_OUTPUTS: ReadonlyMap<string, number> = new Map([
  ['stdout', 1],
  ['-', 1],
  ['/dev/stdout', 1],
  ['/dev/fd/1', 1],
  ['/proc/self/fd/1', 1],
  ['/dev/stderr', 2],
  ['/dev/fd/2', 2],
  ['/proc/self/fd/2', 2],
])

function openLog(config: Config): ProcessLog {
  try {
    return createLog(logOptions(config, process.stderr.isTTY))
  } catch (error) {
    throw unwritableLog(config, error)
  }
}

/** Throws what a start would throw because of `log-file`; makes no file, whose owner might be the wrong one. */
export function checkLogFile(config: Config): void {
  const { destination, syslog } = logOptions(config, false)
  if (typeof destination !== 'string' || syslog !== undefined) return
  try {
    const isThere = existsSync(destination)
    accessSync(isThere ? destination : nearestFolder(dirname(resolve(destination))), constants.W_OK)
    if (isThere && statSync(destination).isDirectory()) throw Object.assign(new Error('a folder'), { code: 'EISDIR' })
  } catch (error) {
    throw unwritableLog(config, error)
  }
}

/** The log makes the folders that are missing. */
function nearestFolder(folder: string): string {
  if (!existsSync(folder)) return nearestFolder(dirname(folder))
  if (!statSync(folder).isDirectory()) throw Object.assign(new Error('no folder'), { code: 'ENOTDIR' })
  return folder
}

function unwritableLog(config: Config, error: unknown): ConfigError {
  const { code } = error as NodeJS.ErrnoException
  return new ConfigError({
    where: null,
    key: 'log-file',
    message: `"log-file": ${config['log-file']} cannot be written (${code})`,
    fix: 'name a file in a folder that this user may write to',
  })
}

function writePid(path: string, log: Log): void {
  try {
    writeFileSync(path, `${process.pid}\n`)
  } catch (err) {
    log.warn({ err }, 'pidfile cannot be written')
  }
}
