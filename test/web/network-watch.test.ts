import { expect, test } from 'vitest'
import { watchNetwork } from '../../src/web/link/network-watch.ts'

function signs(type?: string) {
  const connection: EventTarget & { type?: string } = new EventTarget()
  if (type !== undefined) connection.type = type
  const document: EventTarget & { hidden: boolean } = Object.assign(new EventTarget(), { hidden: false })
  const told: string[] = []
  const window = new EventTarget()
  let now = 0
  watchNetwork((how) => told.push(how), { window, document, connection, now: () => now })
  return {
    told,
    window,
    connection,
    look: (hidden: boolean, afterMs: number) => {
      now += afterMs
      document.hidden = hidden
      document.dispatchEvent(new Event('visibilitychange'))
    },
  }
}

test('another kind of network is a change, and so is being online again', () => {
  const { told, window, connection } = signs('wifi')
  connection.dispatchEvent(new Event('change'))
  expect(told).toEqual([])
  connection.type = 'cellular'
  connection.dispatchEvent(new Event('change'))
  window.dispatchEvent(new Event('online'))
  expect(told).toEqual(['changed', 'changed'])
})

test('where the kind is not told, every word of the browser is perhaps one', () => {
  const { told, connection } = signs()
  connection.dispatchEvent(new Event('change'))
  expect(told).toEqual(['perhaps'])
})

test('a page that was not seen for long looks at its network, one that was away for a moment does not', () => {
  const { told, look } = signs()
  look(true, 0)
  look(false, 9000)
  expect(told).toEqual([])
  look(true, 60_000)
  look(false, 10_000)
  expect(told).toEqual(['changed'])
})
