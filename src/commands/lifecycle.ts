import type { ProcessLog } from '../log.ts'
import { ExitCode } from './exit-code.ts'

/** What is running; reload and drain are asked for by signals. */
export interface Running {
  close(): Promise<void>
  /** Says in the log what is new. */
  reload?(): Promise<void>
  drain?(): void
}

/** The part of the process that says when to stop. */
export interface ProcessEvents {
  on(event: string, listener: (cause: unknown) => void): unknown
  off(event: string, listener: (cause: unknown) => void): unknown
  exit(code?: number | string | null): void
}

const CLOSE_MS = 10_000
const CLOSE_AFTER_BUG_MS = 1000

/**
 * Starts something and keeps it until SIGTERM or SIGINT, whose first one closes it in order and whose second ends the process
 * at once. A bug is logged, and ends the process too once what runs had a second to close: nobody knows what it broke.
 */
export function untilStopped(
  log: Pick<ProcessLog, 'info' | 'warn' | 'error' | 'fatal' | 'output'>,
  start: (requestReload: () => void) => Promise<Running>,
  machine: ProcessEvents = process,
): Promise<number> {
  return new Promise((resolve, reject) => {
    let isStopping = false
    let reloading: 'no' | 'now' | 'now, and once more' = 'no'
    const reload = () => {
      // Signals that come in a storm are as good as one after the last of them.
      if (reloading !== 'no') {
        reloading = 'now, and once more'
        return
      }
      reloading = 'now'
      starting
        .then(async (running) => {
          if (running.reload === undefined) return log.warn({}, 'there is nothing to reload')
          await running.reload()
        })
        .catch((err: unknown) => log.error({ err }, 'reload failed; what ran before goes on'))
        .finally(() => {
          const isDue = reloading === 'now, and once more'
          reloading = 'no'
          if (isDue && !isStopping) reload()
        })
    }
    const starting = start(reload)

    const close = (limitMs: number) =>
      Promise.race([
        starting.then((running) => running.close()),
        new Promise<void>((done) => setTimeout(done, limitMs).unref()),
      ])
    const finish = (code: number) => {
      for (const [event, listener] of Object.entries(listeners)) machine.off(event, listener)
      resolve(code)
    }
    const stop = (signal: unknown) => {
      if (isStopping) return machine.exit(ExitCode.FAILED)
      isStopping = true
      log.info({ signal }, 'stopping')
      close(CLOSE_MS).then(
        () => finish(ExitCode.OK),
        (err: unknown) => {
          log.error({ err }, 'closing failed')
          finish(ExitCode.FAILED)
        },
      )
    }
    const bug = (err: unknown) => {
      log.fatal({ err }, 'this is a bug in webrtc-stack; ending')
      if (isStopping) return
      isStopping = true
      const end = () => log.output.written(CLOSE_AFTER_BUG_MS).then(() => machine.exit(ExitCode.BUG))
      close(CLOSE_AFTER_BUG_MS).then(end, end)
    }
    const drain = () => {
      starting.then((running) => running.drain?.()).catch((err: unknown) => log.error({ err }, 'draining failed'))
    }
    const listeners = {
      SIGTERM: stop,
      SIGINT: stop,
      SIGHUP: reload,
      SIGUSR2: reload,
      SIGUSR1: drain,
      uncaughtException: bug,
      unhandledRejection: bug,
    }
    for (const [event, listener] of Object.entries(listeners)) machine.on(event, listener)
    starting.catch((error: unknown) => {
      for (const [event, listener] of Object.entries(listeners)) machine.off(event, listener)
      reject(error)
    })
  })
}
