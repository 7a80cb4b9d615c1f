import type { Config } from '../config/options.ts'
import type { TurnAddresses } from './addresses.ts'

/** What is wrong and does not stop the start, and how to mend it. */
export interface Advice {
  readonly trouble: string
  readonly fix: string
}

/** Why relayed packets may get nowhere on this machine. */
export function relayAdvice(config: Config, { relay, own }: TurnAddresses): Advice[] {
  const found: Advice[] = []
  if (!config['stun-only'] && !config['allow-loopback-peers'] && relay.every((address) => address.isLoopback)) {
    const left = relay.length === 0 ? 'No address' : 'Only loopback addresses'
    found.push({
      trouble: `${left} to relay from: calls find a direct path or none.`,
      fix: 'Connect a network, or set relay-ip= (and external-ip= behind NAT).',
    })
  }
  // All of 127.0.0.0/8 is always there.
  const hosts = new Set(own.map(({ host }) => host))
  const foreign = relay.filter((address) => !address.isLoopback && !hosts.has(address.host)).map(({ host }) => host)
  if (foreign.length > 0) {
    found.push({
      trouble: `No address of this machine: ${foreign.join(', ')} (relay-ip). Nothing can be relayed from there.`,
      fix: 'Compare relay-ip= with `ip address`; behind NAT it is the private address, and external-ip= the one the world sees.',
    })
  }
  return found
}
