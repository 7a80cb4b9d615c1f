import type { Address } from '../../stun/address.ts'
import { linux } from './system-calls.ts'

// Numbers and layouts of the kernel: 64 bit, little endian, Linux on x86-64 or arm64.

export const AF_INET = 2
export const AF_INET6 = 10
export const MSG_DONTWAIT = 0x40
export const IPPROTO_IP = 0
export const IP_TOS = 1
export const IP_TTL = 2
export const IP_RECVERR = 11
export const IPPROTO_IPV6 = 41
export const IPV6_RECVERR = 25
export const IPV6_HOPLIMIT = 52
export const IPV6_TCLASS = 67
export const SOL_UDP = 17
export const UDP_GRO = 104

export const SOCKADDR_IN_LENGTH = 16
export const SOCKADDR_IN6_LENGTH = 28

/** Writes a sockaddr_in or sockaddr_in6 and returns its length. */
export function writeSocketAddress(bytes: Buffer, at: number, address: Address): number {
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

/** Reads what `writeSocketAddress` writes. */
export function readSocketAddress(bytes: Buffer, at: number, into: Address): Address {
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

/*
 * struct mmsghdr, 64 bytes:  0 name *, 8 name length, 16 iovec *, 24 iovec count, 32 control *, 40 control length,
 *                            48 flags, 56 bytes received or sent
 * struct iovec, 16 bytes:    0 base *, 8 length
 * struct cmsghdr, 16 bytes:  0 length, 8 level, 12 type; then the data
 */
export const MMSGHDR = 64
export const IOVEC = 16
export const NAME = 32
export const CMSGHDR = 16
/** A control message with up to 64 bits of data. */
export const CONTROL_MESSAGE = 24

/** Native memory that the kernel may be told of: the buffer lives for as long as this does. */
export class Region {
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

/** For single fields of both byte orders. */
export function viewOf({ bytes }: Region): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
}

/** For fields of 32 bits in the order of the machine. */
export function wordsOf({ bytes }: Region): Uint32Array {
  return new Uint32Array(bytes.buffer, bytes.byteOffset, bytes.length / 4)
}
