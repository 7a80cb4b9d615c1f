import type { Address } from '../../stun/address.ts'

/** An address that is listened on, with the port that was chosen for port 0. */
export interface BoundAddress {
  readonly transport: 'udp' | 'tcp'
  readonly address: Address
}
