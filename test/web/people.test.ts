import { signal } from '@preact/signals'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { callLength, lengthText } from '../../src/web/people/call-length.ts'
import { type Happening, watchPeople } from '../../src/web/people/comings.ts'
import { Reactions } from '../../src/web/people/reactions.ts'
import type { Phase } from '../../src/web/session.ts'

beforeEach(() => void vi.useFakeTimers())
afterEach(() => void vi.useRealTimers())

test.each([
  [0, '0:00'],
  [67, '1:07'],
  [3599, '59:59'],
  [3729, '1:02:09'],
])('%d seconds are %s', (seconds, text) => {
  expect(lengthText(seconds)).toBe(text)
})

test('a call counts from the first picture, over reconnections, and stays to be read when it is over', () => {
  const phase = signal<Phase>('connecting')
  const length = callLength(phase)
  vi.advanceTimersByTime(3000)
  expect(length.value).toBe('')
  phase.value = 'connected'
  vi.advanceTimersByTime(5000)
  phase.value = 'reconnecting'
  vi.advanceTimersByTime(4000)
  phase.value = 'connected'
  vi.advanceTimersByTime(1000)
  expect(length.value).toBe('0:10')
  phase.value = 'ended'
  vi.advanceTimersByTime(60_000)
  expect(length.value).toBe('0:10')
  phase.value = 'joining'
  expect(length.value).toBe('')
})

describe('people', () => {
  function watched() {
    const phase = signal<Phase>('idle')
    const unread = signal(0)
    const told: Happening[] = []
    watchPeople(phase, unread, (what) => told.push(what))
    return { phase, unread, told }
  }

  test('come once and go once, whatever the network does in between', () => {
    const { phase, told } = watched()
    for (const next of [
      'joining',
      'waiting',
      'connecting',
      'connected',
      'reconnecting',
      'connected',
      'waiting',
    ] as const)
      phase.value = next
    expect(told).toEqual(['came', 'left'])
  })

  test('do not go when we go', () => {
    const { phase, told } = watched()
    for (const next of ['connected', 'ended', 'joining', 'waiting'] as const) phase.value = next
    expect(told).toEqual(['came'])
  })

  test('write, and are not heard when what they wrote is read', () => {
    const { unread, told } = watched()
    unread.value = 1
    unread.value = 2
    unread.value = 0
    unread.value = 1
    expect(told).toEqual(['wrote', 'wrote', 'wrote'])
  })
})

test('a flood of reactions shows only the last, and all of them go', () => {
  const reactions = new Reactions(() => {})
  for (let i = 0; i < 1000; i++) reactions.hear({ type: 'reaction', reaction: '👍' })
  expect(reactions.shown.value).toHaveLength(12)
  vi.advanceTimersByTime(4000)
  expect(reactions.shown.value).toEqual([])
})
