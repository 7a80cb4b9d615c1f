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
} as const

type Native = { readonly [Name in keyof typeof DEFINITIONS]: (...args: (Buffer | number | null)[]) => number }

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

const SOL_SOCKET = 1
const SO_REUSEADDR = 2
const SO_SNDBUF = 7
const SO_RCVBUF = 8
const SO_REUSEPORT = 15
const SO_SNDBUFFORCE = 32
const SO_RCVBUFFORCE = 33
const IPPROTO_IP = 0
const IP_MTU_DISCOVER = 10
const IPPROTO_IPV6 = 41
const IPV6_MTU_DISCOVER = 23
const IPV6_V6ONLY = 26
/** Values of (IP|IPV6)_MTU_DISCOVER: fragment what is too long; never fragment. */
const PMTUDISC_DONT = 0
const PMTUDISC_DO = 2

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
    return 16
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
