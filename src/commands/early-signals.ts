import type { ProcessEvents } from './lifecycle.ts'

const SIGNALS = ['SIGHUP', 'SIGUSR1', 'SIGUSR2']

/**
 * Before anything is loaded: without a listener SIGHUP and SIGUSR2 end the process, and SIGUSR1 opens Node's debugger to every
 * program of this machine. While a server starts there is nothing to reload or drain yet; the server then listens itself.
 */
export function ignoreEarlySignals(machine: Pick<ProcessEvents, 'on'> = process): void {
  for (const signal of SIGNALS) machine.on(signal, () => {})
}
