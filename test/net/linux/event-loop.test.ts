import { type AddressInfo, connect, createServer } from 'node:net'
import { expect, onTestFinished, test, vi } from 'vitest'
import { closeDescriptor, duplicate, openTcpDescriptor } from '../../../src/net/linux/descriptors.ts'
import { EventLoop, pollerOf } from '../../../src/net/linux/event-loop.ts'
import { Poll } from '../../../src/net/linux/poll.ts'
import { linuxSupport } from '../../../src/net/linux/system-calls.ts'
import { Address } from '../../../src/stun/address.ts'

const isLinux = linuxSupport().available
const pass = () => new Promise(setImmediate)

/** A descriptor that the event loop of this thread accepts connections from. */
async function listening(): Promise<{ fd: number; port: number }> {
  const bound = openTcpDescriptor(Address.parse('127.0.0.1', 0)!, false)
  const fd = duplicate(bound)
  closeDescriptor(bound)
  const server = createServer((socket) => socket.destroy())
  onTestFinished(() => new Promise<void>((resolve) => server.close(() => resolve())))
  server.listen({ fd })
  await pass()
  await pass()
  return { fd, port: (server.address() as AddressInfo).port }
}

test.runIf(isLinux)('an event loop has something to do: its own descriptor tells it to another epoll', async () => {
  const { fd, port } = await listening()
  const poller = pollerOf(fd)
  expect(poller).not.toBeNull()
  const poll = new Poll()
  onTestFinished(() => closeDescriptor(poll.fd))
  poll.add(poller!, 7)
  // Whatever else lives in this thread may have woken its loop: a task of V8's, a message of the runner's.
  await vi.waitFor(async () => {
    await pass()
    expect(poll.wait(0)).toBe(0)
  })
  const client = connect(port, '127.0.0.1')
  onTestFinished(() => void client.destroy())
  // The kernel connects it now, and this thread is not back in its event loop before the test's next await.
  await new Promise<void>((resolve) => process.nextTick(resolve))
  expect(poll.wait(5000)).toBe(1)
  expect(poll.token(0)).toBe(7)
})

test.runIf(isLinux)('a descriptor that no event loop watches leads to none', () => {
  const fd = openTcpDescriptor(Address.parse('127.0.0.1', 0)!, false)
  onTestFinished(() => closeDescriptor(fd))
  expect(pollerOf(fd)).toBeNull()
})

test('a thread may sleep only after passes in which nothing has happened', async () => {
  const server = createServer((socket) => socket.end('bye'))
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  onTestFinished(() => new Promise<void>((resolve) => server.close(() => resolve())))
  const loop = new EventLoop()
  const rest = async () => {
    for (let passes = 1; ; passes++) {
      if (loop.pass()) return passes
      await pass()
    }
  }
  await rest()
  loop.touch()
  expect(loop.isWanted).toBe(true)
  expect(loop.pass()).toBe(false)
  expect(loop.isWanted).toBe(false)
  await pass()
  expect(loop.pass()).toBe(true)
  // Connecting, accepting, reading and closing are events; all of it is over before the loop is said to be at rest.
  const client = connect((server.address() as AddressInfo).port, '127.0.0.1')
  let isClosed = false
  client.resume().once('close', () => {
    isClosed = true
  })
  await vi.waitFor(async () => {
    await rest()
    expect(isClosed).toBe(true)
  })
})
