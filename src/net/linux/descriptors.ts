import { Address } from '../../stun/address.ts'
import {
  AF,
  F,
  IP,
  IP_PMTUDISC,
  IPV6,
  lastError,
  linux,
  MSG,
  SO,
  SOCK,
  SOL,
  SocketAddresses,
  SystemCallError,
  UDP,
} from './system-calls.ts'

/** Until the system has said no, which it then says each time. */
let mayExceed = true

/** Passed by reference. */
const option = new Int32Array(1)
const length = new Uint32Array(1)
/** One; where there are no system calls it cannot be made. */
let names: SocketAddresses | null = null

export interface UdpDescriptorOptions {
  readonly bufferSize: number
  /** Several sockets on one address, among which the kernel spreads the clients. */
  readonly reusePort: boolean
}

/** A bound, non-blocking UDP socket that sets DF only when told to; the caller closes it. Throws SystemCallError. */
export function openUdpDescriptor(local: Address, { bufferSize, reusePort }: UdpDescriptorOptions): number {
  const fd = openSocket(SOCK.DGRAM, local.family)
  if (reusePort) setOption(fd, SOL.SOCKET, SO.REUSEPORT, 1)
  growBuffers(fd, bufferSize)
  // RFC 8656 §14: Linux would set DF wherever a datagram fits the path; unasked it stays clear.
  allowFragments(fd, local.family, true)
  bindSocket(fd, local)
  return fd
}

/** Whether a socket could be bound to this address now, on some port. */
export function isBindable({ host }: Address): boolean {
  try {
    closeDescriptor(openUdpDescriptor(Address.parse(host)!, { bufferSize: 0, reusePort: false }))
    return true
  } catch {
    return false
  }
}

/** Best effort: the system caps the size at net.core.rmem_max unless we may exceed it. Below 1 its own size stays. */
export function growBuffers(fd: number, size: number): void {
  if (size < 1) return
  mayExceed &&= setOption(fd, SOL.SOCKET, SO.RCVBUFFORCE, size) >= 0
  setOption(fd, SOL.SOCKET, mayExceed ? SO.SNDBUFFORCE : SO.SNDBUF, size)
  if (!mayExceed) setOption(fd, SOL.SOCKET, SO.RCVBUF, size)
}

/** A bound TCP socket that nobody listens on yet; the caller closes it. Throws SystemCallError. */
export function openTcpDescriptor(local: Address, reusePort: boolean): number {
  const fd = openSocket(SOCK.STREAM, local.family)
  // Connections of before may still be ending on this port.
  setOption(fd, SOL.SOCKET, SO.REUSEADDR, 1)
  if (reusePort) setOption(fd, SOL.SOCKET, SO.REUSEPORT, 1)
  bindSocket(fd, local)
  return fd
}

/** Clients may connect from now on, whoever accepts them and when. Throws SystemCallError. */
export function listenOn(fd: number, backlog: number): void {
  if (linux().listen(fd, backlog) < 0) throw new SystemCallError('listen', lastError())
}

/** A second descriptor of the same socket, to be closed on its own. Throws SystemCallError. */
export function duplicate(fd: number): number {
  const copy = linux().fcntl(fd, F.DUPFD_CLOEXEC, 0)
  if (copy < 0) throw new SystemCallError('fcntl', lastError())
  return copy
}

function openSocket(type: number, family: 4 | 6): number {
  const fd = linux().socket(family === 4 ? AF.INET : AF.INET6, type | SOCK.NONBLOCK | SOCK.CLOEXEC, 0)
  if (fd < 0) throw new SystemCallError('socket', lastError())
  if (family === 6) setOption(fd, SOL.IPV6, IPV6.V6ONLY, 1)
  return fd
}

function bindSocket(fd: number, local: Address): void {
  if (linux().bind(fd, named(local), SocketAddresses.lengthOf(local.family)) >= 0) return
  const code = lastError()
  linux().close(fd)
  throw new SystemCallError('bind', code)
}

/** ICMP messages about what was sent wait in an ErrorQueue from now on. */
export function keepErrors(fd: number, family: 4 | 6): void {
  if (family === 4) setOption(fd, SOL.IP, IP.RECVERR, 1)
  else setOption(fd, SOL.IPV6, IPV6.RECVERR, 1)
}

/** Every datagram comes with its TTL, DSCP and ECN from now on: see ReceiveSlab.readControl. */
export function reportHeaders(fd: number, family: 4 | 6): void {
  const level = family === 4 ? SOL.IP : SOL.IPV6
  setOption(fd, level, family === 4 ? IP.RECVTTL : IPV6.RECVHOPLIMIT, 1)
  setOption(fd, level, family === 4 ? IP.RECVTOS : IPV6.RECVTCLASS, 1)
}

/** The TTL or Hop Limit of what is sent without a control message that says otherwise; 0 for the system's own. */
export function setHopLimit(fd: number, family: 4 | 6, value: number): void {
  if (family === 4) setOption(fd, SOL.IP, IP.TTL, value === 0 ? -1 : value)
  else setOption(fd, SOL.IPV6, IPV6.UNICAST_HOPS, value === 0 ? -1 : value)
}

/** Datagrams of one sender that came together may arrive as one slot of several (UDP_GRO): see ReceiveSlab.segment. */
export function mergeDatagrams(fd: number): void {
  setOption(fd, SOL.UDP, UDP.GRO, 1)
}

/** From now on other sockets of this process may be bound to the same address and port, if they say so as well. */
export function sharePort(fd: number): void {
  setOption(fd, SOL.SOCKET, SO.REUSEPORT, 1)
}

/** libuv lets whatever it is handed share its port with other programs: takes that back. */
export function keepPortExclusive(fd: number): void {
  setOption(fd, SOL.SOCKET, SO.REUSEADDR, 0)
}

export function closeDescriptor(fd: number): void {
  linux().close(fd)
}

/** What a descriptor is bound to. Throws SystemCallError. */
export function localAddress(fd: number): Address {
  names ??= new SocketAddresses(1)
  length[0] = SocketAddresses.lengthOf(6)
  if (linux().getsockname(fd, names.region.bytes, length) < 0) throw new SystemCallError('getsockname', lastError())
  return names.read(0, new Address())
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
  const datagram = bytes.subarray(start, end)
  const name = named(to)
  allowFragments(fd, to.family, false)
  if (trafficClass !== 0) setTrafficClass(fd, to.family, trafficClass)
  const nameLength = SocketAddresses.lengthOf(to.family)
  const sent = linux().sendto(fd, datagram, datagram.length, MSG.DONTWAIT, name, nameLength)
  const code = sent < 0 ? lastError() : null
  allowFragments(fd, to.family, true)
  if (trafficClass !== 0) setTrafficClass(fd, to.family, 0)
  return code
}

function setTrafficClass(fd: number, family: 4 | 6, value: number): void {
  if (family === 4) setOption(fd, SOL.IP, IP.TOS, value)
  else setOption(fd, SOL.IPV6, IPV6.TCLASS, value)
}

function allowFragments(fd: number, family: 4 | 6, allowed: boolean): void {
  const value = allowed ? IP_PMTUDISC.DONT : IP_PMTUDISC.DO
  if (family === 4) setOption(fd, SOL.IP, IP.MTU_DISCOVER, value)
  else setOption(fd, SOL.IPV6, IPV6.MTU_DISCOVER, value)
}

function setOption(fd: number, level: number, name: number, value: number): number {
  option[0] = value
  return linux().setsockopt(fd, level, name, option, 4)
}

function named(address: Address): Buffer {
  names ??= new SocketAddresses(1)
  names.set(0, address)
  return names.region.bytes
}
