import { EventEmitter } from 'node:events'
import { expect, test } from 'vitest'
import { ignoreEarlySignals } from '../../src/commands/early-signals.ts'

test('SIGHUP, SIGUSR1 and SIGUSR2 do nothing before the server listens to them', () => {
  const machine = new EventEmitter()
  ignoreEarlySignals(machine)
  // `emit` is true when somebody listened, which is what keeps Node from its own ways with these signals.
  expect(['SIGHUP', 'SIGUSR1', 'SIGUSR2'].map((signal) => machine.emit(signal))).toEqual([true, true, true])
  expect(machine.listenerCount('SIGTERM')).toBe(0)
})
