import { createRequire } from 'node:module'
import { constants, endianness } from 'node:os'
import type koffiModule from 'koffi'
import { Address } from '../stun/address.ts'

// The one file that calls the kernel's socket functions (through koffi) and knows the layout of its structures: 64 bit,
// little endian, Linux on x86-64 or arm64. Nobody else touches native memory of sockets.

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

interface Library {
  readonly koffi: typeof koffiModule
  readonly native: Native
}

let support: LinuxSupport | null = null
let library: Library | null = null

function probe(): LinuxSupport {
  if (process.platform !== 'linux') return { available: false, reason: `needs Linux, this is ${process.platform}` }
  if (!['x64', 'arm64'].includes(process.arch) || endianness() !== 'LE') {
    return { available: false, reason: `needs x86-64 or arm64, this is ${process.arch}` }
  }
  let koffi: typeof koffiModule
  try {
    koffi = createRequire(import.meta.url)('koffi') as typeof koffiModule
  } catch {
    return { available: false, reason: 'the optional package koffi is not installed or has no binary for this machine' }
  }
  try {
    const symbols = koffi.load(null)
    const entries = Object.entries(DEFINITIONS).map(([name, definition]) => [name, symbols.func(definition)])
    library = { koffi, native: Object.fromEntries(entries) as Native }
    return { available: true }
  } catch (error) {
    return { available: false, reason: `the C library lacks a function: ${(error as Error).message}` }
  }
}

function linux(): Library {
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

const ERROR_NAMES = new Map(Object.entries(constants.errno).map(([name, errno]) => [errno as number, name]))

function lastError({ koffi }: Library): string {
  const errno = koffi.errno()
  return ERROR_NAMES.get(errno) ?? `E${errno}`
}

const AF_INET = 2
const AF_INET6 = 10
const SOCK_DGRAM = 2
const SOCK_NONBLOCK = 0o4000
const SOCK_CLOEXEC = 0o2000000
const MSG_DONTWAIT = 0x40
const MSG_ERRQUEUE = 0x2000

const SOL_SOCKET = 1
const SO_REUSEADDR = 2
const SO_SNDBUF = 7
const SO_RCVBUF = 8
const SO_REUSEPORT = 15
const SO_SNDBUFFORCE = 32
const SO_RCVBUFFORCE = 33
const IPPROTO_IP = 0
const IP_MTU_DISCOVER = 10
const IP_RECVERR = 11
const IPPROTO_IPV6 = 41
const IPV6_MTU_DISCOVER = 23
const IPV6_RECVERR = 25
const IPV6_V6ONLY = 26
/** Values of (IP|IPV6)_MTU_DISCOVER: fragment what is too long; never fragment. */
const PMTUDISC_DONT = 0
const PMTUDISC_DO = 2

const SOL_UDP = 17
const UDP_SEGMENT = 103
const UDP_GRO = 104

const EPOLLIN = 1
const EPOLLERR = 8
const EPOLL_CTL_ADD = 1
const EPOLL_CLOEXEC = 0o2000000
const EFD_NONBLOCK = 0o4000
const EFD_CLOEXEC = 0o2000000

const SOCKADDR_IN_LENGTH = 16
const SOCKADDR_IN6_LENGTH = 28
const scratch = { option: Buffer.alloc(8), address: Buffer.alloc(32), length: Buffer.alloc(8) }

export interface UdpDescriptorOptions {
  readonly bufferSize: number
  /** Several sockets on one address, among which the kernel spreads the clients. */
  readonly reusePort: boolean
}

/** A bound, non-blocking UDP socket that sets DF only when told to; the caller closes it. Throws SystemCallError. */
export function openUdpDescriptor(local: Address, { bufferSize, reusePort }: UdpDescriptorOptions): number {
  const linked = linux()
  const { native } = linked
  const fd = native.socket(local.family === 4 ? AF_INET : AF_INET6, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)
  if (fd < 0) throw new SystemCallError('socket', lastError(linked))
  if (local.family === 6) setOption(fd, IPPROTO_IPV6, IPV6_V6ONLY, 1)
  if (reusePort) setOption(fd, SOL_SOCKET, SO_REUSEPORT, 1)
  // Best effort: the system caps the size at net.core.rmem_max unless we may exceed it.
  if (setOption(fd, SOL_SOCKET, SO_RCVBUFFORCE, bufferSize) < 0) setOption(fd, SOL_SOCKET, SO_RCVBUF, bufferSize)
  if (setOption(fd, SOL_SOCKET, SO_SNDBUFFORCE, bufferSize) < 0) setOption(fd, SOL_SOCKET, SO_SNDBUF, bufferSize)
  // RFC 8656 §14: Linux would set DF wherever a datagram fits the path; unasked it stays clear.
  allowFragments(fd, local.family, true)
  const length = writeSocketAddress(scratch.address, 0, local)
  if (native.bind(fd, scratch.address, length) < 0) {
    const code = lastError(linked)
    native.close(fd)
    throw new SystemCallError('bind', code)
  }
  return fd
}

/** ICMP messages about what was sent wait in an ErrorQueue from now on. */
export function keepErrors(fd: number, family: 4 | 6): void {
  if (family === 4) setOption(fd, IPPROTO_IP, IP_RECVERR, 1)
  else setOption(fd, IPPROTO_IPV6, IPV6_RECVERR, 1)
}

/** Datagrams of one sender that came together may arrive as one slot of several (UDP_GRO): see ReceiveSlab.segment. */
export function mergeDatagrams(fd: number): void {
  setOption(fd, SOL_UDP, UDP_GRO, 1)
}

/** libuv lets whatever it is handed share its port with other programs: takes that back. */
export function keepPortExclusive(fd: number): void {
  setOption(fd, SOL_SOCKET, SO_REUSEADDR, 0)
}

export function closeDescriptor(fd: number): void {
  linux().native.close(fd)
}

/** What a descriptor is bound to. Throws SystemCallError. */
export function localAddress(fd: number): Address {
  const linked = linux()
  scratch.length.writeUInt32LE(SOCKADDR_IN6_LENGTH)
  if (linked.native.getsockname(fd, scratch.address, scratch.length) < 0)
    throw new SystemCallError('getsockname', lastError(linked))
  return readSocketAddress(scratch.address, 0, new Address())
}

/** Sends one datagram that no router may fragment, at once; the errno's name when that fails. */
export function sendUnfragmented(fd: number, bytes: Buffer, start: number, end: number, to: Address): string | null {
  const linked = linux()
  const length = writeSocketAddress(scratch.address, 0, to)
  const datagram = bytes.subarray(start, end)
  allowFragments(fd, to.family, false)
  const sent = linked.native.sendto(fd, datagram, datagram.length, MSG_DONTWAIT, scratch.address, length)
  const code = sent < 0 ? lastError(linked) : null
  allowFragments(fd, to.family, true)
  return code
}

function allowFragments(fd: number, family: 4 | 6, allowed: boolean): void {
  const value = allowed ? PMTUDISC_DONT : PMTUDISC_DO
  if (family === 4) setOption(fd, IPPROTO_IP, IP_MTU_DISCOVER, value)
  else setOption(fd, IPPROTO_IPV6, IPV6_MTU_DISCOVER, value)
}

function setOption(fd: number, level: number, name: number, value: number): number {
  scratch.option.writeInt32LE(value)
  return linux().native.setsockopt(fd, level, name, scratch.option, 4)
}

/** Writes a sockaddr_in or sockaddr_in6 and returns its length. */
function writeSocketAddress(bytes: Buffer, at: number, address: Address): number {
  bytes.fill(0, at, at + SOCKADDR_IN6_LENGTH)
  bytes.writeUInt16LE(address.family === 4 ? AF_INET : AF_INET6, at)
  bytes.writeUInt16BE(address.port, at + 2)
  if (address.family === 4) {
    bytes.writeUInt32BE(address.w3, at + 4)
    return SOCKADDR_IN_LENGTH
  }
  bytes.writeUInt32BE(address.w0, at + 8)
  bytes.writeUInt32BE(address.w1, at + 12)
  bytes.writeUInt32BE(address.w2, at + 16)
  bytes.writeUInt32BE(address.w3, at + 20)
  return SOCKADDR_IN6_LENGTH
}

function readSocketAddress(bytes: Buffer, at: number, into: Address): Address {
  const port = bytes.readUInt16BE(at + 2)
  if (bytes.readUInt16LE(at) === AF_INET) return into.setIpv4(bytes.readUInt32BE(at + 4), port)
  return into.setIpv6(
    bytes.readUInt32BE(at + 8),
    bytes.readUInt32BE(at + 12),
    bytes.readUInt32BE(at + 16),
    bytes.readUInt32BE(at + 20),
    port,
  )
}

/** Which of many descriptors have something to read (epoll, level-triggered). Tokens are the owner's numbers below 2^32. */
export class Poll {
  readonly fd: number
  readonly #linked: Library
  // The structure is packed on x86-64 alone.
  readonly #stride = process.arch === 'x64' ? 12 : 16
  readonly #events = new Uint32Array(EVENTS * 4)
  readonly #change = Buffer.alloc(16)

  constructor() {
    this.#linked = linux()
    this.fd = this.#linked.native.epoll_create1(EPOLL_CLOEXEC)
    if (this.fd < 0) throw new SystemCallError('epoll_create1', lastError(this.#linked))
  }

  /** Until the descriptor is closed. Throws SystemCallError. */
  add(fd: number, token: number): void {
    this.#change.writeUInt32LE(EPOLLIN)
    this.#change.writeUInt32LE(token, this.#stride - 8)
    if (this.#linked.native.epoll_ctl(this.fd, EPOLL_CTL_ADD, fd, this.#change) < 0)
      throw new SystemCallError('epoll_ctl', lastError(this.#linked))
  }

  /** How many are ready, at most 64; 0 after `timeoutMs` or when a signal came. */
  wait(timeoutMs: number): number {
    return Math.max(0, this.#linked.native.epoll_wait(this.fd, this.#events, EVENTS, timeoutMs))
  }

  /** Its queue of errors holds something: see ErrorQueue. */
  hasErrors(event: number): boolean {
    return (this.#events[(event * this.#stride) / 4]! & EPOLLERR) !== 0
  }

  token(event: number): number {
    return this.#events[((event + 1) * this.#stride - 8) / 4]!
  }
}

const EVENTS = 64

/** A descriptor that one thread polls and any thread of the process makes ready (eventfd). Throws SystemCallError. */
export function openWakeUp(): number {
  const linked = linux()
  const fd = linked.native.eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)
  if (fd < 0) throw new SystemCallError('eventfd', lastError(linked))
  return fd
}

export function wake(fd: number): void {
  scratch.option.writeBigUInt64LE(1n)
  linux().native.write(fd, scratch.option, 8)
}

/** Makes a wake-up descriptor wait for the next call of `wake`. */
export function calm(fd: number): void {
  linux().native.read(fd, scratch.option, 8)
}

/*
 * struct mmsghdr, 64 bytes:  0 name *, 8 name length, 16 iovec *, 24 iovec count, 32 control *, 40 control length,
 *                            48 flags, 56 bytes received or sent
 * struct iovec, 16 bytes:    0 base *, 8 length
 * struct cmsghdr, 16 bytes:  0 length, 8 level, 12 type; then the data
 */
const MMSGHDR = 64
const IOVEC = 16
const NAME = 32
const SEGMENT_CONTROL = 24
const RECEIVED_CONTROL = 64

/** Native memory that the kernel may be told of: the buffer lives for as long as this does. */
class Region {
  readonly bytes: Buffer
  readonly address: number

  constructor(length: number) {
    // Not from Node's pool, so that nothing else lies beside it; user addresses are below 2^47, hence safe as numbers.
    this.bytes = Buffer.alloc(length)
    this.address = Number(linux().koffi.address(this.bytes))
  }

  pointer(at: number, target: Region, offset: number): void {
    writePointer(this.bytes, at, target.address + offset)
  }
}

function writePointer(bytes: Buffer, at: number, address: number): void {
  bytes.writeUInt32LE(address % 0x100000000, at)
  bytes.writeUInt32LE(Math.floor(address / 0x100000000), at + 4)
}

/** Slots for received datagrams, each with free room before and behind, filled by recvmmsg. */
export class ReceiveSlab {
  /** All slots; what lies in them belongs to the owner until `clear`. */
  readonly bytes: Buffer
  readonly slots: number
  /** Slots filled since `clear`. */
  used = 0
  readonly #linked: Library
  readonly #slab: Region
  readonly #messages: Region
  readonly #vectors: Region
  readonly #names: Region
  readonly #controls: Region
  readonly #controlWords: Uint32Array
  readonly #headers: Uint32Array
  readonly #view: DataView
  readonly #headroom: number
  readonly #stride: number

  constructor(slots: number, headroom: number, tailroom: number) {
    this.#linked = linux()
    this.slots = slots
    this.#headroom = headroom
    // The largest datagram fits. Not a multiple of the page, or all slots would fight for the same lines of the cache.
    this.#stride = (Math.ceil((headroom + 65_536 + tailroom) / 64) + 2) * 64
    this.#slab = new Region(slots * this.#stride)
    this.#messages = new Region(slots * MMSGHDR)
    this.#vectors = new Region(slots * IOVEC)
    this.#names = new Region(slots * NAME)
    this.#controls = new Region(slots * RECEIVED_CONTROL)
    this.bytes = this.#slab.bytes
    this.#headers = wordsOf(this.#messages)
    this.#controlWords = wordsOf(this.#controls)
    this.#view = viewOf(this.#names)
    for (let slot = 0; slot < slots; slot++) {
      const message = slot * MMSGHDR
      this.#vectors.pointer(slot * IOVEC, this.#slab, slot * this.#stride + headroom)
      this.#vectors.bytes.writeUInt32LE(65_536, slot * IOVEC + 8)
      this.#messages.pointer(message, this.#names, slot * NAME)
      this.#messages.bytes.writeUInt32LE(SOCKADDR_IN6_LENGTH, message + 8)
      this.#messages.pointer(message + 16, this.#vectors, slot * IOVEC)
      this.#messages.bytes.writeUInt32LE(1, message + 24)
      this.#messages.pointer(message + 32, this.#controls, slot * RECEIVED_CONTROL)
      this.#messages.bytes.writeUInt32LE(RECEIVED_CONTROL, message + 40)
    }
  }

  /** Takes what waits at `fd`, up to `most` datagrams, into the slots from `used` on; the errno's name when that fails. */
  receive(fd: number, most: number): number | string {
    const first = this.used
    const room = Math.min(most, this.slots - first)
    const count = this.#linked.native.recvmmsg(fd, this.#messages.address + first * MMSGHDR, room, MSG_DONTWAIT, null)
    if (count < 0) return lastError(this.#linked)
    this.used += count
    return count
  }

  clear(): void {
    this.used = 0
  }

  start(slot: number): number {
    return slot * this.#stride + this.#headroom
  }

  length(slot: number): number {
    return this.#headers[slot * 16 + 14]!
  }

  /** The size of each of several datagrams in the slot, of which the last may be shorter; 0 when it is one. */
  segment(slot: number): number {
    if (this.#headers[slot * 16 + 10]! < SEGMENT_CONTROL - 4) return 0
    const words = this.#controlWords
    const at = (slot * RECEIVED_CONTROL) / 4
    return words[at + 2] === SOL_UDP && words[at + 3] === UDP_GRO ? words[at + 4]! & 0xffff : 0
  }

  /** Who sent it. To be asked once for each slot, as the last thing: it also makes the slot ready for the next. */
  source(slot: number, into: Address): void {
    this.#headers[slot * 16 + 2] = SOCKADDR_IN6_LENGTH
    this.#headers[slot * 16 + 10] = RECEIVED_CONTROL
    const view = this.#view
    const at = slot * NAME
    const port = view.getUint16(at + 2)
    if (view.getUint16(at, true) === AF_INET) into.setIpv4(view.getUint32(at + 4), port)
    else
      into.setIpv6(
        view.getUint32(at + 8),
        view.getUint32(at + 12),
        view.getUint32(at + 16),
        view.getUint32(at + 20),
        port,
      )
  }
}

/** struct sock_extended_err: 0 errno, 4 origin, 5 type, 6 code, 8 info. */
const ORIGIN_LOCAL = 1
const ORIGIN_ICMP = 2
const ORIGIN_ICMP6 = 3

/** Reads what `keepErrors` has kept: one ICMP message after the other, into its own fields. */
export class ErrorQueue {
  /** Where the datagram was sent that the message is about. */
  readonly peer = new Address()
  type = 0
  code = 0
  /** The next hop's MTU, where it matters. */
  data = 0
  readonly #linked = linux()
  readonly #message = new Region(MMSGHDR)
  readonly #vector = new Region(IOVEC)
  readonly #name = new Region(NAME)
  readonly #control = new Region(256)
  readonly #payload = new Region(64)

  constructor() {
    this.#vector.pointer(0, this.#payload, 0)
    this.#vector.bytes.writeUInt32LE(64, 8)
    this.#message.pointer(0, this.#name, 0)
    this.#message.pointer(16, this.#vector, 0)
    this.#message.bytes.writeUInt32LE(1, 24)
    this.#message.pointer(32, this.#control, 0)
  }

  /** False when the queue is empty; `null` for an error that is no ICMP message. */
  take(fd: number): boolean | null {
    this.#message.bytes.writeUInt32LE(SOCKADDR_IN6_LENGTH, 8)
    this.#message.bytes.writeUInt32LE(256, 40)
    const { native } = this.#linked
    if (native.recvmsg(fd, this.#message.bytes, MSG_ERRQUEUE | MSG_DONTWAIT) < 0) return false
    const { bytes } = this.#control
    const end = this.#message.bytes.readUInt32LE(40)
    for (let at = 0; at + 16 <= end; at += (bytes.readUInt32LE(at) + 7) & ~7) {
      const level = bytes.readUInt32LE(at + 8)
      const name = bytes.readUInt32LE(at + 12)
      if (bytes.readUInt32LE(at) < 32) return null
      const isError = (level === IPPROTO_IP && name === IP_RECVERR) || (level === IPPROTO_IPV6 && name === IPV6_RECVERR)
      if (isError) return this.#read(bytes, at + 16, level === IPPROTO_IP ? 4 : 6)
    }
    return null
  }

  #read(bytes: Buffer, at: number, family: 4 | 6): true | null {
    readSocketAddress(this.#name.bytes, 0, this.peer)
    const origin = bytes.readUInt8(at + 4)
    this.data = bytes.readUInt32LE(at + 8)
    if (origin === ORIGIN_ICMP || origin === ORIGIN_ICMP6) {
      this.type = bytes.readUInt8(at + 5)
      this.code = bytes.readUInt8(at + 6)
      return true
    }
    // Too long for a path whose MTU this machine knows already: what a router would have said.
    if (origin !== ORIGIN_LOCAL || bytes.readUInt32LE(at) !== constants.errno.EMSGSIZE) return null
    this.type = family === 4 ? 3 : 2
    this.code = family === 4 ? 4 : 0
    return true
  }
}

/** What came of one `SendBatch.send`. */
export interface SendOutcome {
  /** Datagrams that the kernel would not take now. */
  refused: number
  /** The errno's name of the last one that failed for another reason, and how many did. */
  error: string | null
  failed: number
}

/**
 * Datagrams on their way out, written down in the order they come and sent socket by socket with sendmmsg. A run of equal
 * size to one destination becomes one message that the kernel cuts (UDP_SEGMENT).
 */
export class SendBatch {
  /** Datagrams written down since `clear`. */
  count = 0
  readonly capacity: number
  readonly outcome: SendOutcome = { refused: 0, error: null, failed: 0 }
  segments = true
  readonly #linked: Library
  readonly #slab: ReceiveSlab
  readonly #slabAddress: number
  /** Copies of datagrams that lie elsewhere. */
  readonly #copies = new Region(COPIES)
  #copied = 0
  readonly #names: Region
  readonly #nameView: DataView
  readonly #lengths: Int32Array
  readonly #addresses: Float64Array
  readonly #messages: Region
  readonly #vectors: Region
  readonly #controls: Region
  readonly #header: Uint32Array
  readonly #vector: Uint32Array
  /** By message, the datagrams in it. */
  readonly #pieces: Uint8Array
  readonly #firsts: Int32Array

  constructor(slab: ReceiveSlab, capacity: number) {
    this.#linked = linux()
    this.#slab = slab
    this.#slabAddress = Number(this.#linked.koffi.address(slab.bytes))
    this.capacity = capacity
    this.#names = new Region(capacity * NAME)
    this.#nameView = viewOf(this.#names)
    this.#lengths = new Int32Array(capacity)
    this.#addresses = new Float64Array(capacity)
    this.#messages = new Region(capacity * MMSGHDR)
    this.#vectors = new Region(capacity * IOVEC)
    this.#controls = new Region(capacity * SEGMENT_CONTROL)
    this.#header = wordsOf(this.#messages)
    this.#vector = wordsOf(this.#vectors)
    this.#pieces = new Uint8Array(capacity)
    this.#firsts = new Int32Array(capacity)
    for (let i = 0; i < capacity; i++) {
      this.#messages.pointer(i * MMSGHDR + 32, this.#controls, i * SEGMENT_CONTROL)
      this.#controls.bytes.writeUInt32LE(18, i * SEGMENT_CONTROL)
      this.#controls.bytes.writeUInt32LE(SOL_UDP, i * SEGMENT_CONTROL + 8)
      this.#controls.bytes.writeUInt32LE(UDP_SEGMENT, i * SEGMENT_CONTROL + 12)
    }
  }

  /** Whether `bytes[start…end)` can be written down before the next `clear`. */
  hasRoom(bytes: Buffer, start: number, end: number): boolean {
    return this.count < this.capacity && (bytes === this.#slab.bytes || this.#copied + end - start <= COPIES)
  }

  /** Writes one datagram down and returns its number. What lies in the slab stays there; everything else is copied. */
  add(bytes: Buffer, start: number, end: number, to: Address): number {
    const i = this.count++
    this.#lengths[i] = end - start
    if (bytes === this.#slab.bytes) this.#addresses[i] = this.#slabAddress + start
    else {
      bytes.copy(this.#copies.bytes, this.#copied, start, end)
      this.#addresses[i] = this.#copies.address + this.#copied
      this.#copied += end - start
    }
    const view = this.#nameView
    const at = i * NAME
    view.setUint16(at, to.family === 4 ? AF_INET : AF_INET6, true)
    view.setUint16(at + 2, to.port)
    if (to.family === 4) view.setUint32(at + 4, to.w3)
    else {
      view.setUint32(at + 4, 0)
      view.setUint32(at + 8, to.w0)
      view.setUint32(at + 12, to.w1)
      view.setUint32(at + 16, to.w2)
      view.setUint32(at + 20, to.w3)
    }
    return i
  }

  /** Forgets all that was written down. */
  clear(): void {
    this.count = 0
    this.#copied = 0
  }

  /** Sends the chain of datagrams that begins with `first` through `fd`; `next[i]` follows `i`, -1 ends it. */
  send(fd: number, first: number, next: Int32Array, family: 4 | 6): SendOutcome {
    const { outcome } = this
    outcome.refused = 0
    outcome.error = null
    outcome.failed = 0
    const messages = this.#layOut(first, next, family)
    const { native } = this.#linked
    let retried = -1
    for (let done = 0; done < messages; ) {
      const sent = native.sendmmsg(fd, this.#messages.address + done * MMSGHDR, messages - done, MSG_DONTWAIT)
      if (sent > 0) {
        done += sent
        continue
      }
      const code = lastError(this.#linked)
      if (code === 'EINTR') continue
      if (code === 'EAGAIN' || code === 'ENOBUFS') {
        for (; done < messages; done++) outcome.refused += this.#pieces[done]!
        break
      }
      // An ICMP message about an earlier datagram is reported once, in place of sending this one.
      if (retried !== done) {
        retried = done
        continue
      }
      if (this.#pieces[done]! > 1) this.#sendSingly(fd, done, code, next)
      else {
        outcome.failed++
        outcome.error = code
      }
      done++
    }
    return outcome
  }

  /** Fills the headers from 0 on and returns how many. */
  #layOut(first: number, next: Int32Array, family: 4 | 6): number {
    const nameLength = family === 4 ? SOCKADDR_IN_LENGTH : SOCKADDR_IN6_LENGTH
    let messages = 0
    let vectors = 0
    let run = -1
    let runBytes = 0
    for (let i = first; i >= 0; i = next[i]!) {
      const length = this.#lengths[i]!
      const v = vectors * 4
      const address = this.#addresses[i]!
      this.#vector[v] = address % 0x100000000
      this.#vector[v + 1] = Math.floor(address / 0x100000000)
      this.#vector[v + 2] = length
      if (run >= 0 && this.#continues(run, i, runBytes, messages - 1)) {
        const m = messages - 1
        const pieces = ++this.#pieces[m]!
        this.#header[m * 16 + 6] = pieces
        if (pieces === 2) {
          this.#header[m * 16 + 10] = SEGMENT_CONTROL
          this.#controls.bytes.writeUInt16LE(this.#lengths[run]!, m * SEGMENT_CONTROL + 16)
        }
        runBytes += length
        // Only the last piece may be shorter.
        if (length < this.#lengths[run]!) run = -1
      } else {
        const h = messages * 16
        const name = this.#names.address + i * NAME
        const vector = this.#vectors.address + vectors * IOVEC
        this.#header[h] = name % 0x100000000
        this.#header[h + 1] = Math.floor(name / 0x100000000)
        this.#header[h + 2] = nameLength
        this.#header[h + 4] = vector % 0x100000000
        this.#header[h + 5] = Math.floor(vector / 0x100000000)
        this.#header[h + 6] = 1
        this.#header[h + 10] = 0
        this.#pieces[messages] = 1
        this.#firsts[messages] = i
        messages++
        run = this.segments && length > 0 && length <= MAX_SEGMENT ? i : -1
        runBytes = length
      }
      vectors++
    }
    return messages
  }

  #continues(run: number, i: number, runBytes: number, message: number): boolean {
    const length = this.#lengths[i]!
    if (length === 0 || length > this.#lengths[run]! || runBytes + length > MAX_SEGMENTED) return false
    if (this.#pieces[message]! >= MAX_SEGMENTS) return false
    const view = this.#nameView
    const a = run * NAME
    const b = i * NAME
    // Family and port, then the address.
    if (view.getUint32(a) !== view.getUint32(b) || view.getUint32(a + 4) !== view.getUint32(b + 4)) return false
    if (view.getUint16(a, true) === AF_INET) return true
    return (
      view.getUint32(a + 8) === view.getUint32(b + 8) &&
      view.getUint32(a + 12) === view.getUint32(b + 12) &&
      view.getUint32(a + 16) === view.getUint32(b + 16) &&
      view.getUint32(a + 20) === view.getUint32(b + 20)
    )
  }

  // The path takes no pieces of this size, or this kind of interface cannot cut (EIO): the old way, one by one.
  #sendSingly(fd: number, message: number, code: string, next: Int32Array): void {
    if (code === 'EIO') this.segments = false
    const { native } = this.#linked
    const h = message * 16
    const nameLength = this.#header[h + 2]!
    let i = this.#firsts[message]!
    for (let piece = 0; piece < this.#pieces[message]!; piece++, i = next[i]!) {
      const name = this.#names.address + i * NAME
      const sent = native.sendto(fd, this.#addresses[i]!, this.#lengths[i]!, MSG_DONTWAIT, name, nameLength)
      if (sent >= 0) continue
      this.outcome.error = lastError(this.#linked)
      this.outcome.failed++
    }
  }
}

const COPIES = 512 * 1024
/** Longer ones don't fit an Ethernet frame in one piece. */
const MAX_SEGMENT = 1472
const MAX_SEGMENTS = 64
const MAX_SEGMENTED = 65_000

function viewOf({ bytes }: Region): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
}

function wordsOf({ bytes }: Region): Uint32Array {
  return new Uint32Array(bytes.buffer, bytes.byteOffset, bytes.length / 4)
}
