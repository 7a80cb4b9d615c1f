import { EventEmitter } from 'node:events'
import { describe, expect, test, vi } from 'vitest'
import { type Running, untilStopped } from '../../src/commands/lifecycle.ts'

function world(running: Partial<Running> = {}) {
  const log = { info: vi.fn(), warn: vi.fn(), error: vi.fn(), fatal: vi.fn(), output: { written: async () => {} } }
  const events = new EventEmitter()
  const exit = vi.fn<(code: number) => void>()
  const machine = Object.assign(events, { exit })
  const close = vi.fn(async () => {})
  const ended = untilStopped(log as never, async () => ({ close, ...running }), machine)
  return { log, machine, exit, close, ended }
}

describe('a signal', () => {
  test.each(['SIGTERM', 'SIGINT'])('%s closes in order and ends with 0', async (signal) => {
    const { machine, close, ended, exit } = world()
    machine.emit(signal, signal)
    expect(await ended).toBe(0)
    expect(close).toHaveBeenCalledOnce()
    expect(exit).not.toHaveBeenCalled()
    expect(machine.eventNames()).toEqual([])
  })
  test('that comes a second time ends at once', async () => {
    const { machine, exit } = world({ close: () => new Promise(() => {}) })
    machine.emit('SIGINT', 'SIGINT')
    expect(exit).not.toHaveBeenCalled()
    machine.emit('SIGINT', 'SIGINT')
    expect(exit).toHaveBeenCalledExactlyOnceWith(1)
  })
  test('ends with 1 when closing fails', async () => {
    const { machine, ended, log } = world({ close: () => Promise.reject(new Error('stuck')) })
    machine.emit('SIGTERM', 'SIGTERM')
    expect(await ended).toBe(1)
    expect(log.error).toHaveBeenCalledOnce()
  })
  test('signals that come in a storm are one reload, and one more after the last of them', async () => {
    const ends: (() => void)[] = []
    const reload = vi.fn(() => new Promise<void>((resolve) => ends.push(resolve)))
    const { machine, exit, ended } = world({ reload })
    for (let i = 0; i < 50; i++) machine.emit('SIGHUP', 'SIGHUP')
    await vi.waitFor(() => expect(reload).toHaveBeenCalledOnce())
    ends[0]!()
    await vi.waitFor(() => expect(reload).toHaveBeenCalledTimes(2))
    ends[1]!()
    await new Promise((resolve) => setImmediate(resolve))
    expect(reload).toHaveBeenCalledTimes(2)
    expect(exit).not.toHaveBeenCalled()
    machine.emit('SIGTERM', 'SIGTERM')
    await ended
  })

  test.each(['SIGHUP', 'SIGUSR2'])('%s reloads, and a reload that fails ends nothing', async (signal) => {
    const reload = vi
      .fn<() => Promise<void>>()
      .mockResolvedValueOnce()
      .mockRejectedValueOnce(new Error('bad certificate'))
    const { machine, log, exit, ended } = world({ reload })
    machine.emit(signal, signal)
    await vi.waitFor(() => expect(reload).toHaveBeenCalledOnce())
    expect(log.error).not.toHaveBeenCalled()
    machine.emit(signal, signal)
    await vi.waitFor(() => expect(log.error).toHaveBeenCalledOnce())
    expect(exit).not.toHaveBeenCalled()
    machine.emit('SIGTERM', 'SIGTERM')
    expect(await ended).toBe(0)
  })
  test('SIGUSR1 drains', async () => {
    const drain = vi.fn()
    const { machine } = world({ drain })
    machine.emit('SIGUSR1', 'SIGUSR1')
    await vi.waitFor(() => expect(drain).toHaveBeenCalledOnce())
  })
})

describe('SEC-58 a bug', () => {
  test.each(['uncaughtException', 'unhandledRejection'])(
    '%s is logged once, closes, and ends with 70',
    async (event) => {
      const { machine, log, exit, close } = world()
      machine.emit(event, new Error('oops'))
      await vi.waitFor(() => expect(exit).toHaveBeenCalledExactlyOnceWith(70))
      expect(close).toHaveBeenCalledOnce()
      expect(log.fatal).toHaveBeenCalledOnce()
    },
  )
  test('ends with 70 after one second when closing hangs', async () => {
    vi.useFakeTimers()
    try {
      const { machine, exit } = world({ close: () => new Promise(() => {}) })
      machine.emit('uncaughtException', new Error('oops'))
      await vi.advanceTimersByTimeAsync(999)
      expect(exit).not.toHaveBeenCalled()
      await vi.advanceTimersByTimeAsync(1)
      expect(exit).toHaveBeenCalledExactlyOnceWith(70)
    } finally {
      vi.useRealTimers()
    }
  })
})

test('a start that fails is the failure of the whole, and leaves no handlers', async () => {
  const machine = Object.assign(new EventEmitter(), { exit: vi.fn() })
  const log = { info: vi.fn(), warn: vi.fn(), error: vi.fn(), fatal: vi.fn(), output: { written: async () => {} } }
  await expect(untilStopped(log as never, () => Promise.reject(new Error('port taken')), machine)).rejects.toThrow(
    'port taken',
  )
  expect(machine.eventNames()).toEqual([])
})
