import type { Address } from '../../stun/address.ts'
import { isReserved } from '../descriptor-reserve.ts'
import { closeDescriptor, duplicate, localAddress, openUdpDescriptor } from '../linux/descriptors.ts'
import { SystemCallError } from '../linux/system-calls.ts'

interface HeldPort {
  readonly fd: number
  readonly place: number
}

/**
 * Bound sockets that serve nobody yet: ports reserved for whoever brings the token (RFC 8656 §7.2). As long as one is open no other
 * program has the port. The threads of this process share their descriptors, so that each may take hold of what another holds.
 */
export class HeldPorts {
  readonly #onDescriptor: (place: number, fd: number | null) => void
  readonly #ports = new Map<string, HeldPort>()
  readonly #freePlaces: number[] = []
  #places = 0

  /** `onDescriptor` is told of each by a place below 0. */
  constructor(onDescriptor: (place: number, fd: number | null) => void) {
    this.#onDescriptor = onDescriptor
  }

  /** Binds `local` and returns the descriptor, which stays ours. Throws SystemCallError. */
  hold(local: Address): number {
    // Nobody reads it, so what arrives shall find the little room that the system gives.
    const fd = openUdpDescriptor(local, { bufferSize: 0, reusePort: false })
    if (isReserved(fd)) {
      closeDescriptor(fd)
      throw new SystemCallError('socket', 'EMFILE')
    }
    return this.#keep(local, fd)
  }

  /** Holds what another thread holds as `descriptor`, too. When that is no more whoever wants the port has to bind it. */
  share(local: Address, descriptor: number): void {
    let fd = -1
    try {
      fd = duplicate(descriptor)
      if (!isReserved(fd) && localAddress(fd).equals(local)) this.#keep(local, fd)
      else closeDescriptor(fd)
    } catch {
      if (fd >= 0) closeDescriptor(fd)
    }
  }

  /** Gives the socket of `local` to the caller; null when none is held. */
  take(local: Address): number | null {
    const key = local.toString()
    const held = this.#ports.get(key)
    if (held === undefined) return null
    this.#ports.delete(key)
    this.#freePlaces.push(held.place)
    this.#onDescriptor(held.place, null)
    return held.fd
  }

  /** Closes the socket of `local`, if one is held. */
  release(local: Address): void {
    const fd = this.take(local)
    if (fd !== null) closeDescriptor(fd)
  }

  closeAll(): void {
    for (const { fd, place } of this.#ports.values()) {
      this.#onDescriptor(place, null)
      closeDescriptor(fd)
    }
    this.#ports.clear()
  }

  #keep(local: Address, fd: number): number {
    const place = this.#freePlaces.pop() ?? --this.#places
    this.#ports.set(local.toString(), { fd, place })
    this.#onDescriptor(place, fd)
    return fd
  }
}
