import { EventEmitter } from 'node:events'
import { expect, test } from 'vitest'
import { tolerateLostOutput } from '../../src/commands/terminal.ts'

test('output that nobody takes any more is no error', () => {
  const output = new EventEmitter()
  expect(() => output.emit('error', new Error('write EPIPE'))).toThrow()
  tolerateLostOutput([output])
  expect(() => output.emit('error', new Error('write EPIPE'))).not.toThrow()
})
