import type { Config } from '../config/options.ts'
import type { TurnAddresses } from './addresses.ts'

/** What is wrong and does not stop the start, and how to mend it. */
export interface Advice {
  readonly trouble: string
  readonly fix: string
}

/** Why nothing can be relayed to another machine; null when it can, or need not. */
export function relayTrouble(config: Config, { relay, absent }: TurnAddresses): string | null {
  if (!config.turn || config['stun-only'] || config['allow-loopback-peers']) return null
  const present = relay.filter((address) => !absent.includes(address))
  if (present.some((address) => !address.isLoopback)) return null
  return `${present.length === 0 ? 'no address' : 'only loopback addresses'} to relay from`
}

/** Why relayed packets may get nowhere on this machine. */
export function relayAdvice(config: Config, addresses: TurnAddresses): Advice[] {
  const { absent } = addresses
  const found: Advice[] = []
  const trouble = relayTrouble(config, addresses)
  if (trouble !== null) {
    found.push({
      trouble: `${trouble[0]!.toUpperCase()}${trouble.slice(1)}: calls find a direct path or none.`,
      fix: 'Connect a network, or set relay-ip= (and external-ip= behind NAT).',
    })
  }
  if (absent.length > 0) {
    found.push({
      trouble: `No address of this machine: ${absent.map(({ host }) => host).join(', ')} (relay-ip). Nothing can be relayed from there.`,
      fix: 'Compare relay-ip= with `ip address`; behind NAT it is the private address, and external-ip= the one the world sees.',
    })
  }
  return found
}
