import { EFD, lastError, linux, SystemCallError } from './system-calls.ts'

/** What is added to an eventfd: a number of 64 bits. */
const one = new Uint32Array([1, 0])
const counter = new Uint32Array(2)

/** A descriptor that one thread polls and any thread of the process makes ready (eventfd). Throws SystemCallError. */
export function openWakeUp(): number {
  const fd = linux().eventfd(0, EFD.NONBLOCK | EFD.CLOEXEC)
  if (fd < 0) throw new SystemCallError('eventfd', lastError())
  return fd
}

export function wake(fd: number): void {
  linux().write(fd, one, 8)
}

/** Makes a wake-up descriptor wait for the next call of `wake`. */
export function calm(fd: number): void {
  linux().read(fd, counter, 8)
}
