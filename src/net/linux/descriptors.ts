import { Address } from '../../stun/address.ts'
import {
  AF_INET,
  AF_INET6,
  IP_RECVERR,
  IP_TOS,
  IP_TTL,
  IPPROTO_IP,
  IPPROTO_IPV6,
  IPV6_RECVERR,
  IPV6_TCLASS,
  MSG_DONTWAIT,
  readSocketAddress,
  SOCKADDR_IN6_LENGTH,
  SOL_UDP,
  UDP_GRO,
  writeSocketAddress,
} from './structures.ts'
import { lastError, linux, SystemCallError } from './system-calls.ts'

const SOCK_STREAM = 1
const SOCK_DGRAM = 2
const SOCK_NONBLOCK = 0o4000
const SOCK_CLOEXEC = 0o2000000
const SOL_SOCKET = 1
const SO_REUSEADDR = 2
const SO_SNDBUF = 7
const SO_RCVBUF = 8
const SO_REUSEPORT = 15
const SO_SNDBUFFORCE = 32
const SO_RCVBUFFORCE = 33
const IP_MTU_DISCOVER = 10
const IP_RECVTTL = 12
const IP_RECVTOS = 13
const IPV6_UNICAST_HOPS = 16
const IPV6_MTU_DISCOVER = 23
const IPV6_V6ONLY = 26
const IPV6_RECVHOPLIMIT = 51
const IPV6_RECVTCLASS = 66
/** Values of (IP|IPV6)_MTU_DISCOVER: fragment what is too long; never fragment. */
const PMTUDISC_DONT = 0
const PMTUDISC_DO = 2
const F_DUPFD_CLOEXEC = 1030

/** Until the system has said no, which it then says each time. */
let mayExceed = true

const scratch = { option: Buffer.alloc(8), address: Buffer.alloc(32), length: Buffer.alloc(8) }

export interface UdpDescriptorOptions {
  readonly bufferSize: number
  /** Several sockets on one address, among which the kernel spreads the clients. */
  readonly reusePort: boolean
}

/** A bound, non-blocking UDP socket that sets DF only when told to; the caller closes it. Throws SystemCallError. */
export function openUdpDescriptor(local: Address, { bufferSize, reusePort }: UdpDescriptorOptions): number {
  const fd = openSocket(SOCK_DGRAM, local.family)
  if (reusePort) setOption(fd, SOL_SOCKET, SO_REUSEPORT, 1)
  // Best effort: the system caps the size at net.core.rmem_max unless we may exceed it. Below 1 its own size stays.
  if (bufferSize > 0) {
    mayExceed &&= setOption(fd, SOL_SOCKET, SO_RCVBUFFORCE, bufferSize) >= 0
    setOption(fd, SOL_SOCKET, mayExceed ? SO_SNDBUFFORCE : SO_SNDBUF, bufferSize)
    if (!mayExceed) setOption(fd, SOL_SOCKET, SO_RCVBUF, bufferSize)
  }
  // RFC 8656 §14: Linux would set DF wherever a datagram fits the path; unasked it stays clear.
  allowFragments(fd, local.family, true)
  bindSocket(fd, local)
  return fd
}

/** A bound TCP socket that nobody listens on yet; the caller closes it. Throws SystemCallError. */
export function openTcpDescriptor(local: Address, reusePort: boolean): number {
  const fd = openSocket(SOCK_STREAM, local.family)
  // Connections of before may still be ending on this port.
  setOption(fd, SOL_SOCKET, SO_REUSEADDR, 1)
  if (reusePort) setOption(fd, SOL_SOCKET, SO_REUSEPORT, 1)
  bindSocket(fd, local)
  return fd
}

/** Clients may connect from now on, whoever accepts them and when. Throws SystemCallError. */
export function listenOn(fd: number, backlog: number): void {
  const linked = linux()
  if (linked.native.listen(fd, backlog) < 0) throw new SystemCallError('listen', lastError(linked))
}

/** A second descriptor of the same socket, to be closed on its own. Throws SystemCallError. */
export function duplicate(fd: number): number {
  const linked = linux()
  const copy = linked.native.fcntl(fd, F_DUPFD_CLOEXEC, 0)
  if (copy < 0) throw new SystemCallError('fcntl', lastError(linked))
  return copy
}

function openSocket(type: number, family: 4 | 6): number {
  const linked = linux()
  const fd = linked.native.socket(family === 4 ? AF_INET : AF_INET6, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)
  if (fd < 0) throw new SystemCallError('socket', lastError(linked))
  if (family === 6) setOption(fd, IPPROTO_IPV6, IPV6_V6ONLY, 1)
  return fd
}

function bindSocket(fd: number, local: Address): void {
  const linked = linux()
  const length = writeSocketAddress(scratch.address, 0, local)
  if (linked.native.bind(fd, scratch.address, length) >= 0) return
  const code = lastError(linked)
  linked.native.close(fd)
  throw new SystemCallError('bind', code)
}

/** ICMP messages about what was sent wait in an ErrorQueue from now on. */
export function keepErrors(fd: number, family: 4 | 6): void {
  if (family === 4) setOption(fd, IPPROTO_IP, IP_RECVERR, 1)
  else setOption(fd, IPPROTO_IPV6, IPV6_RECVERR, 1)
}

/** Every datagram comes with its TTL, DSCP and ECN from now on: see ReceiveSlab.readControl. */
export function reportHeaders(fd: number, family: 4 | 6): void {
  const level = family === 4 ? IPPROTO_IP : IPPROTO_IPV6
  setOption(fd, level, family === 4 ? IP_RECVTTL : IPV6_RECVHOPLIMIT, 1)
  setOption(fd, level, family === 4 ? IP_RECVTOS : IPV6_RECVTCLASS, 1)
}

/** The TTL or Hop Limit of what is sent without a control message that says otherwise; 0 for the system's own. */
export function setHopLimit(fd: number, family: 4 | 6, value: number): void {
  if (family === 4) setOption(fd, IPPROTO_IP, IP_TTL, value === 0 ? -1 : value)
  else setOption(fd, IPPROTO_IPV6, IPV6_UNICAST_HOPS, value === 0 ? -1 : value)
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
export function sendUnfragmented(
  fd: number,
  bytes: Buffer,
  start: number,
  end: number,
  to: Address,
  trafficClass: number,
): string | null {
  const linked = linux()
  const length = writeSocketAddress(scratch.address, 0, to)
  const datagram = bytes.subarray(start, end)
  allowFragments(fd, to.family, false)
  if (trafficClass !== 0) setTrafficClass(fd, to.family, trafficClass)
  const sent = linked.native.sendto(fd, datagram, datagram.length, MSG_DONTWAIT, scratch.address, length)
  const code = sent < 0 ? lastError(linked) : null
  allowFragments(fd, to.family, true)
  if (trafficClass !== 0) setTrafficClass(fd, to.family, 0)
  return code
}

function setTrafficClass(fd: number, family: 4 | 6, value: number): void {
  if (family === 4) setOption(fd, IPPROTO_IP, IP_TOS, value)
  else setOption(fd, IPPROTO_IPV6, IPV6_TCLASS, value)
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
