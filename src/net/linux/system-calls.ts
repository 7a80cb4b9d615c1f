import { constants, endianness } from 'node:os'
import type { Address } from '../../stun/address.ts'
import { bind, type Koffi, loadKoffi, NO_KOFFI } from './koffi.ts'

// The one file that reaches the C library and knows the kernel's numbers, its structures and where they lie in memory: Linux,
// 64 bit, little endian, x86-64 or arm64. Elsewhere `linuxSupport` says no. Arrays of structures are laid out once, and the
// kernel has their addresses: whoever tells it of one keeps the object for as long.

/** Whether sockets can be driven by system calls of our own, and if not, the reason in an operator's words. */
export type LinuxSupport = { readonly available: true } | { readonly available: false; readonly reason: string }

/** Loads koffi and looks for every function that is needed; the answer is worked out once. */
export function linuxSupport(): LinuxSupport {
  support ??= probe()
  return support
}

const PROTOTYPES = {
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

export type Native = {
  readonly [Name in keyof typeof PROTOTYPES]: (...args: (Buffer | Int32Array | Uint32Array | number | null)[]) => number
}

let support: LinuxSupport | null = null
let library: { readonly koffi: Koffi; readonly native: Native } | null = null

function probe(): LinuxSupport {
  if (process.platform !== 'linux') return { available: false, reason: `needs Linux, this is ${process.platform}` }
  if (!['x64', 'arm64'].includes(process.arch))
    return { available: false, reason: `needs x86-64 or arm64, this is ${process.arch}` }
  if (endianness() !== 'LE') return { available: false, reason: 'needs x86-64 or arm64 in little endian order' }
  const koffi = loadKoffi()
  if (koffi === null) return { available: false, reason: NO_KOFFI }
  try {
    library = { koffi, native: bind<Native>(koffi, PROTOTYPES) }
    return { available: true }
  } catch (error) {
    return { available: false, reason: `the C library lacks a function: ${(error as Error).message}` }
  }
}

/** The functions, where `linuxSupport` has said that they are there. */
export function linux(): Native {
  const answer = linuxSupport()
  if (!answer.available) throw new Error(`no Linux sockets: ${answer.reason}`)
  return library!.native
}

/**
 * Makes the C library give freed memory back to the system, in all threads; its allocator keeps it otherwise. False where the
 * library is none that can (musl).
 */
export function returnFreedMemory(): boolean {
  if (!linuxSupport().available) return false
  try {
    bind<{ malloc_trim(kept: number): number }>(library!.koffi, {
      malloc_trim: 'int malloc_trim(size_t kept)',
    }).malloc_trim(0)
    return true
  } catch {
    return false
  }
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
export function lastError(): string {
  const errno = library!.koffi.errno()
  return ERROR_NAMES.get(errno) ?? `E${errno}`
}

// Numbers under their names in C: IP.TTL is IP_TTL.

export const AF = { INET: 2, INET6: 10 } as const
export const SOCK = { STREAM: 1, DGRAM: 2, NONBLOCK: 0o4000, CLOEXEC: 0o2000000 } as const
export const SOL = { IP: 0, SOCKET: 1, UDP: 17, IPV6: 41 } as const
export const SO = { REUSEADDR: 2, SNDBUF: 7, RCVBUF: 8, REUSEPORT: 15, SNDBUFFORCE: 32, RCVBUFFORCE: 33 } as const
export const IP = { TOS: 1, TTL: 2, MTU_DISCOVER: 10, RECVERR: 11, RECVTTL: 12, RECVTOS: 13 } as const
export const IP_PMTUDISC = { DONT: 0, DO: 2 } as const
export const IPV6 = {
  UNICAST_HOPS: 16,
  MTU_DISCOVER: 23,
  RECVERR: 25,
  V6ONLY: 26,
  RECVHOPLIMIT: 51,
  HOPLIMIT: 52,
  RECVTCLASS: 66,
  TCLASS: 67,
} as const
export const UDP = { SEGMENT: 103, GRO: 104 } as const
export const MSG = { DONTWAIT: 0x40, ERRQUEUE: 0x2000 } as const
export const SO_EE_ORIGIN = { LOCAL: 1, ICMP: 2, ICMP6: 3 } as const
export const EPOLL = { CTL_ADD: 1, CTL_DEL: 2, CLOEXEC: 0o2000000 } as const
export const EPOLLIN = 1
export const EPOLLERR = 8
export const EFD = { NONBLOCK: 0o4000, CLOEXEC: 0o2000000 } as const
export const F = { DUPFD_CLOEXEC: 1030 } as const

/** Size and offsets, in bytes, of the structures under their names in C; only this file goes by them. */
export const LAYOUTS = {
  sockaddr_in: { size: 16, sin_family: 0, sin_port: 2, sin_addr: 4 },
  sockaddr_in6: { size: 28, sin6_family: 0, sin6_port: 2, sin6_flowinfo: 4, sin6_addr: 8, sin6_scope_id: 24 },
  iovec: { size: 16, iov_base: 0, iov_len: 8 },
  msghdr: { size: 56, msg_name: 0, msg_namelen: 8, msg_iov: 16, msg_iovlen: 24, msg_control: 32, msg_controllen: 40 },
  mmsghdr: { size: 64, msg_hdr: 0, msg_len: 56 },
  cmsghdr: { size: 16, cmsg_len: 0, cmsg_level: 8, cmsg_type: 12 },
  sock_extended_err: { size: 16, ee_errno: 0, ee_origin: 4, ee_type: 5, ee_code: 6, ee_info: 8 },
} as const

/** struct epoll_event is packed on x86-64 alone. */
export const EPOLL_EVENT = { x64: { size: 12, events: 0, data: 4 }, arm64: { size: 16, events: 0, data: 8 } } as const

// As numbers of their own: looking one up in its object for each packet costs as much as storing the field.
const { size: SOCKADDR_IN, sin_family, sin_port, sin_addr } = LAYOUTS.sockaddr_in
const { size: SOCKADDR_IN6, sin6_flowinfo, sin6_addr, sin6_scope_id } = LAYOUTS.sockaddr_in6
const { size: IOVEC, iov_base, iov_len } = LAYOUTS.iovec
const { msg_name, msg_namelen, msg_iov, msg_iovlen, msg_control, msg_controllen } = LAYOUTS.msghdr
const { size: MMSGHDR, msg_len } = LAYOUTS.mmsghdr
const { size: CMSGHDR, cmsg_len, cmsg_level, cmsg_type } = LAYOUTS.cmsghdr
const { ee_errno, ee_origin, ee_type, ee_code, ee_info } = LAYOUTS.sock_extended_err
/** In an array of either, each sockaddr_in or sockaddr_in6 has this much. */
const SOCKET_ADDRESS = 32
/** In an array, each control message has room for 64 bits of data (CMSG_SPACE). */
const CONTROL_MESSAGE = 24

/** Native memory that the kernel may be told of: the buffer lives for as long as this does. */
export class Region {
  readonly bytes: Buffer
  /** For this file alone. User addresses are below 2^47, hence safe as numbers. */
  readonly address: number

  constructor(length: number) {
    linux()
    // Not from Node's pool, so that nothing else lies beside it.
    this.bytes = Buffer.alloc(length)
    this.address = Number(library!.koffi.address(this.bytes))
  }
}

/** For fields of 32 bits in the order of the machine. */
function wordsOf({ bytes }: Region): Uint32Array {
  return new Uint32Array(bytes.buffer, bytes.byteOffset, bytes.length >> 2)
}

// Storing into such an array keeps the whole part modulo 2^32.
function setPointer(words: Uint32Array, at: number, address: number): void {
  words[at] = address
  words[at + 1] = address / 0x100000000
}

/** An array of sockaddr_in and sockaddr_in6. */
export class SocketAddresses {
  readonly region: Region
  readonly #view: DataView

  constructor(count: number) {
    this.region = new Region(count * SOCKET_ADDRESS)
    const { bytes } = this.region
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
  }

  static lengthOf(family: 4 | 6): number {
    return family === 4 ? SOCKADDR_IN : SOCKADDR_IN6
  }

  set(i: number, address: Address): void {
    const view = this.#view
    const at = i * SOCKET_ADDRESS
    const isIpv4 = address.family === 4
    view.setUint16(at + sin_family, isIpv4 ? AF.INET : AF.INET6, true)
    view.setUint16(at + sin_port, address.port)
    if (isIpv4) view.setUint32(at + sin_addr, address.w3)
    else {
      view.setUint32(at + sin6_flowinfo, 0)
      view.setUint32(at + sin6_addr, address.w0)
      view.setUint32(at + sin6_addr + 4, address.w1)
      view.setUint32(at + sin6_addr + 8, address.w2)
      view.setUint32(at + sin6_addr + 12, address.w3)
      view.setUint32(at + sin6_scope_id, 0)
    }
  }

  read(i: number, into: Address): Address {
    const view = this.#view
    const at = i * SOCKET_ADDRESS
    const port = view.getUint16(at + sin_port)
    if (view.getUint16(at + sin_family, true) === AF.INET) return into.setIpv4(view.getUint32(at + sin_addr), port)
    return into.setIpv6(
      view.getUint32(at + sin6_addr),
      view.getUint32(at + sin6_addr + 4),
      view.getUint32(at + sin6_addr + 8),
      view.getUint32(at + sin6_addr + 12),
      port,
    )
  }

  areEqual(i: number, j: number): boolean {
    const view = this.#view
    const a = i * SOCKET_ADDRESS
    const b = j * SOCKET_ADDRESS
    // Family and port, then the IPv4 address or what IPv6 has in its place.
    if (view.getUint32(a) !== view.getUint32(b) || view.getUint32(a + 4) !== view.getUint32(b + 4)) return false
    if (view.getUint16(a + sin_family, true) === AF.INET) return true
    return (
      view.getUint32(a + sin6_addr) === view.getUint32(b + sin6_addr) &&
      view.getUint32(a + sin6_addr + 4) === view.getUint32(b + sin6_addr + 4) &&
      view.getUint32(a + sin6_addr + 8) === view.getUint32(b + sin6_addr + 8) &&
      view.getUint32(a + sin6_addr + 12) === view.getUint32(b + sin6_addr + 12)
    )
  }
}

/** An array of struct iovec: pieces of memory. */
export class Vectors {
  readonly region: Region
  readonly #words: Uint32Array

  constructor(count: number) {
    this.region = new Region(count * IOVEC)
    this.#words = wordsOf(this.region)
  }

  set(i: number, memory: Region, offset: number, length: number): void {
    const at = (i * IOVEC) >> 2
    setPointer(this.#words, at + (iov_base >> 2), memory.address + offset)
    this.#words[at + (iov_len >> 2)] = length
  }

  copy(to: number, source: Vectors, from: number): void {
    const a = (to * IOVEC) >> 2
    const b = (from * IOVEC) >> 2
    // Lengths have no upper half.
    this.#words[a] = source.#words[b]!
    this.#words[a + 1] = source.#words[b + 1]!
    this.#words[a + 2] = source.#words[b + 2]!
  }
}

/** An array of struct cmsghdr, each with up to 64 bits of data behind it. */
export class ControlMessages {
  readonly region: Region
  readonly #words: Uint32Array

  constructor(count: number) {
    this.region = new Region(count * CONTROL_MESSAGE)
    this.#words = wordsOf(this.region)
  }

  /** `size` is the data's, which `setValue` writes. */
  begin(i: number, level: number, type: number, size: number): void {
    const at = (i * CONTROL_MESSAGE) >> 2
    this.#words[at + (cmsg_len >> 2)] = CMSGHDR + size
    this.#words[at + (cmsg_level >> 2)] = level
    this.#words[at + (cmsg_type >> 2)] = type
  }

  setValue(i: number, value: number): void {
    this.#words[(i * CONTROL_MESSAGE + CMSGHDR) >> 2] = value
  }

  level(i: number): number {
    return this.#words[(i * CONTROL_MESSAGE + cmsg_level) >> 2]!
  }

  type(i: number): number {
    return this.#words[(i * CONTROL_MESSAGE + cmsg_type) >> 2]!
  }

  /** The first 32 bits of its data. */
  value(i: number): number {
    return this.#words[(i * CONTROL_MESSAGE + CMSGHDR) >> 2]! | 0
  }

  /** Its data as a struct sock_extended_err, which may be the last in an array and needs the room of several. */
  error(i: number): { errno: number; origin: number; type: number; code: number; info: number } {
    const { bytes } = this.region
    const at = i * CONTROL_MESSAGE + CMSGHDR
    return {
      errno: bytes.readUInt32LE(at + ee_errno),
      origin: bytes.readUInt8(at + ee_origin),
      type: bytes.readUInt8(at + ee_type),
      code: bytes.readUInt8(at + ee_code),
      info: bytes.readUInt32LE(at + ee_info),
    }
  }
}

/** An array of struct mmsghdr: what else belongs to a datagram lies in the other arrays. None is blocking. */
export class Messages {
  readonly #native = linux()
  readonly #region: Region
  readonly #words: Uint32Array

  constructor(count: number) {
    this.#region = new Region(count * MMSGHDR)
    this.#words = wordsOf(this.#region)
  }

  setName(i: number, names: SocketAddresses, name: number, length: number): void {
    const at = i * MMSGHDR
    setPointer(this.#words, (at + msg_name) >> 2, names.region.address + name * SOCKET_ADDRESS)
    this.#words[(at + msg_namelen) >> 2] = length
  }

  setVectors(i: number, vectors: Vectors, first: number, count: number): void {
    const at = i * MMSGHDR
    setPointer(this.#words, (at + msg_iov) >> 2, vectors.region.address + first * IOVEC)
    this.#words[(at + msg_iovlen) >> 2] = count
  }

  setControls(i: number, controls: ControlMessages, first: number, count: number): void {
    const at = i * MMSGHDR
    setPointer(this.#words, (at + msg_control) >> 2, controls.region.address + first * CONTROL_MESSAGE)
    this.#words[(at + msg_controllen) >> 2] = count * CONTROL_MESSAGE
  }

  /** The kernel may write any address again, and so many control messages; it has said how much it wrote last. */
  makeRoom(i: number, controls: number): void {
    const at = i * MMSGHDR
    this.#words[(at + msg_namelen) >> 2] = SOCKADDR_IN6
    this.#words[(at + msg_controllen) >> 2] = controls * CONTROL_MESSAGE
  }

  /** The room that the control messages take, in multiples of one's. */
  controls(i: number): number {
    return (this.#words[(i * MMSGHDR + msg_controllen) >> 2]! / CONTROL_MESSAGE) | 0
  }

  /** Bytes received. */
  length(i: number): number {
    return this.#words[(i * MMSGHDR + msg_len) >> 2]!
  }

  receive(fd: number, first: number, count: number): number {
    const address = this.#region.address + first * MMSGHDR
    return this.#native.recvmmsg(fd, address, count, MSG.DONTWAIT, null)
  }

  send(fd: number, first: number, count: number): number {
    return this.#native.sendmmsg(fd, this.#region.address + first * MMSGHDR, count, MSG.DONTWAIT)
  }

  /** Takes one from the socket's queue of errors into the first. */
  receiveError(fd: number): number {
    return this.#native.recvmsg(fd, this.#region.address, MSG.ERRQUEUE | MSG.DONTWAIT)
  }
}

/** An array of struct epoll_event. */
export class EpollEvents {
  readonly words: Uint32Array
  /** In words. */
  readonly #size: number
  readonly #data: number

  constructor(count: number, arch: string = process.arch) {
    const layout = EPOLL_EVENT[arch === 'x64' ? 'x64' : 'arm64']
    this.#size = layout.size >> 2
    this.#data = layout.data >> 2
    this.words = new Uint32Array(count * this.#size)
  }

  events(i: number): number {
    return this.words[i * this.#size]!
  }

  /** The owner's number, below 2^32. */
  token(i: number): number {
    return this.words[i * this.#size + this.#data]!
  }

  set(i: number, events: number, token: number): void {
    this.words[i * this.#size] = events
    this.words[i * this.#size + this.#data] = token
  }
}
