import { constants, endianness } from 'node:os'
import { type Koffi, loadKoffi, NO_KOFFI } from '../koffi.ts'

// The one file that reaches the C library (through koffi); what goes in and out of it is laid out by structures.ts.

/** Whether sockets can be driven by system calls of our own, and if not, the reason in an operator's words. */
export type LinuxSupport = { readonly available: true } | { readonly available: false; readonly reason: string }

/** Loads koffi and looks for every function that is needed; the answer is worked out once. */
export function linuxSupport(): LinuxSupport {
  support ??= probe()
  return support
}

const DEFINITIONS = {
  socket: 'int socket(int domain, int type, int protocol)',
  setsockopt: 'int setsockopt(int fd, int level, int name, void *value, uint length)',
  bind: 'int bind(int fd, void *address, uint length)',
  getsockname: 'int getsockname(int fd, void *address, void *length)',
  sendto: 'long sendto(int fd, void *bytes, size_t length, int flags, void *address, uint addressLength)',
  listen: 'int listen(int fd, int backlog)',
  // Variadic in C; these machines pass its third argument like any other.
  fcntl: 'int fcntl(int fd, int command, int value)',
  close: 'int close(int fd)',
  recvmsg: 'long recvmsg(int fd, void *message, int flags)',
  recvmmsg: 'int recvmmsg(int fd, void *messages, uint count, int flags, void *timeout)',
  sendmmsg: 'int sendmmsg(int fd, void *messages, uint count, int flags)',
  epoll_create1: 'int epoll_create1(int flags)',
  epoll_ctl: 'int epoll_ctl(int epoll, int operation, int fd, void *event)',
  epoll_wait: 'int epoll_wait(int epoll, void *events, int count, int timeout)',
  eventfd: 'int eventfd(uint value, int flags)',
  read: 'long read(int fd, void *bytes, size_t length)',
  write: 'long write(int fd, void *bytes, size_t length)',
} as const

type Native = {
  readonly [Name in keyof typeof DEFINITIONS]: (...args: (Buffer | Uint32Array | number | null)[]) => number
}

export interface Library {
  readonly koffi: Koffi
  readonly native: Native
}

let support: LinuxSupport | null = null
let library: Library | null = null

function probe(): LinuxSupport {
  if (process.platform !== 'linux') return { available: false, reason: `needs Linux, this is ${process.platform}` }
  if (!['x64', 'arm64'].includes(process.arch) || endianness() !== 'LE') {
    return { available: false, reason: `needs x86-64 or arm64, this is ${process.arch}` }
  }
  const koffi = loadKoffi()
  if (koffi === null) return { available: false, reason: NO_KOFFI }
  try {
    const symbols = koffi.load(null)
    const entries = Object.entries(DEFINITIONS).map(([name, definition]) => [name, symbols.func(definition)])
    library = { koffi, native: Object.fromEntries(entries) as Native }
    return { available: true }
  } catch (error) {
    return { available: false, reason: `the C library lacks a function: ${(error as Error).message}` }
  }
}

/** The functions, where `linuxSupport` has said that they are there. */
export function linux(): Library {
  const answer = linuxSupport()
  if (!answer.available) throw new Error(`no Linux sockets: ${answer.reason}`)
  return library!
}

/** A system call that failed; `code` is the errno's name. */
export class SystemCallError extends Error {
  readonly code: string

  constructor(call: string, code: string) {
    super(`${call}: ${code}`)
    this.name = 'SystemCallError'
    this.code = code
  }
}

// EWOULDBLOCK and ENOTSUP are second names for the numbers of EAGAIN and EOPNOTSUPP.
const ERROR_NAMES = new Map(
  Object.entries(constants.errno)
    .filter(([name]) => name !== 'EWOULDBLOCK' && name !== 'ENOTSUP')
    .map(([name, errno]) => [errno as number, name]),
)

/** The name of the errno that the last call left. */
export function lastError({ koffi }: Library): string {
  const errno = koffi.errno()
  return ERROR_NAMES.get(errno) ?? `E${errno}`
}
