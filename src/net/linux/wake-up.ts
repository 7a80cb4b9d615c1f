import { lastError, linux, SystemCallError } from './system-calls.ts'

const EFD_NONBLOCK = 0o4000
const EFD_CLOEXEC = 0o2000000

const counter = Buffer.alloc(8)

/** A descriptor that one thread polls and any thread of the process makes ready (eventfd). Throws SystemCallError. */
export function openWakeUp(): number {
  const linked = linux()
  const fd = linked.native.eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)
  if (fd < 0) throw new SystemCallError('eventfd', lastError(linked))
  return fd
}

export function wake(fd: number): void {
  counter.writeBigUInt64LE(1n)
  linux().native.write(fd, counter, 8)
}

/** Makes a wake-up descriptor wait for the next call of `wake`. */
export function calm(fd: number): void {
  linux().native.read(fd, counter, 8)
}
