import { askMapping } from '../client/stun-client.ts'
import type { ServerUri } from '../client/uri.ts'
import { addressesOf } from '../client/whereabouts.ts'
import type { Wire } from '../client/wire.ts'
import type { TurnAddresses } from '../start/addresses.ts'
import type { Address } from '../stun/address.ts'
import { isPublic } from '../turn/peers/peer-policy.ts'
import { type Finding, failure, ok, warning } from './finding.ts'
import { troubleFinding } from './stun.ts'

/** What strangers see of us; asks only the server that somebody has named. */
export async function externalFindings(
  wire: Wire,
  addresses: TurnAddresses,
  stunServer: ServerUri | null,
): Promise<Finding[]> {
  if (stunServer === null) return unaskedVerdicts(addresses)
  const servers = await addressesOf(stunServer)
  if (servers.length === 0)
    return [failure('outside', `no address is known for ${stunServer.host}`, 'name another --stun-server')]
  const [server] = servers
  try {
    const { mapped } = await askMapping(wire, { transport: 'udp', server: server!, serverName: null })
    return [outsideVerdict(mapped, addresses)]
  } catch (error) {
    return [await troubleFinding('outside', error, { server: server!, transport: 'udp', login: null })]
  }
}

export function outsideVerdict(
  mapped: Address,
  { external, relay }: Pick<TurnAddresses, 'external' | 'relay'>,
): Finding {
  const seen = mapped.host
  const family = external.filter((address) => address.family === mapped.family)
  if (family.some((address) => address.sameIp(mapped)))
    return ok('outside', `strangers see ${seen}, as external-ip says`)
  if (family.length > 0)
    return failure(
      'outside',
      `strangers see ${seen}, external-ip says ${family.map(({ host }) => host).join(', ')}`,
      `external-ip=${seen}`,
    )
  if (relay.some((address) => address.sameIp(mapped)))
    return ok('outside', `strangers see ${seen}, an address of this machine`)
  return failure(
    'outside',
    `strangers see ${seen}, which is no relay address: we are behind NAT`,
    `external-ip=${seen}, and forward the ports to this machine`,
  )
}

/** What can be said without asking anybody. */
export function unaskedVerdicts({ external, relay }: Pick<TurnAddresses, 'external' | 'relay'>): Finding[] {
  const hidden = external.filter((address) => !isPublic(address))
  if (hidden.length > 0)
    return [
      failure(
        'outside',
        `external-ip ${hidden.map(({ host }) => host).join(', ')} is no public address: nobody outside reaches it`,
        'set it to the address that the world sees; --stun-server HOST asks for it',
      ),
    ]
  if (external.length > 0)
    return [
      warning(
        'outside',
        `external-ip ${external.map(({ host }) => host).join(', ')} was not checked`,
        '--stun-server HOST asks how strangers see this machine',
      ),
    ]
  if (relay.some(isPublic)) return [ok('outside', 'relays from a public address')]
  return [
    warning(
      'outside',
      'relays from private addresses alone: right for calls inside this network',
      'for others external-ip= and forwarded ports; --stun-server HOST asks how strangers see this machine',
    ),
  ]
}
