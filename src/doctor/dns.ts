import { Resolver } from 'node:dns/promises'
import { isIP } from 'node:net'
import { type Finding, failure, ok, warning } from './finding.ts'

/** What DNS says of a name; null where it could not be asked. */
export interface Records {
  readonly addresses: readonly string[]
  /** `_turn._udp` and its kin, with the port they name (RFC 5928). */
  readonly services: readonly { readonly service: string; readonly name: string; readonly port: number }[]
}

const SERVICES = ['_turn._udp', '_turn._tcp', '_turns._tcp', '_stun._udp'] as const

export async function recordsOf(host: string): Promise<Records | null> {
  const resolver = new Resolver({ timeout: 2000, tries: 2 })
  const none = (error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOTFOUND' || error.code === 'ENODATA') return []
    throw error
  }
  try {
    const [v4, v6, ...services] = await Promise.all([
      resolver.resolve4(host).catch(none),
      resolver.resolve6(host).catch(none),
      ...SERVICES.map(async (service) => {
        const found = await resolver.resolveSrv(`${service}.${host}`).catch(none)
        return found.map(({ name, port }) => ({ service, name, port }))
      }),
    ])
    return { addresses: [...v4, ...v6], services: services.flat() }
  } catch {
    return null
  }
}

/** `own` are the addresses that the world should find; `ports` what our services listen on. */
export function dnsVerdicts(
  host: string,
  records: Records | null,
  own: readonly string[],
  ports: Readonly<Record<string, number>>,
): Finding[] {
  if (isIP(host) !== 0) return []
  if (records === null) return [warning('DNS', `no DNS server answers for ${host}`, 'look at /etc/resolv.conf')]
  const { addresses, services } = records
  if (addresses.length === 0)
    return [
      failure('DNS', `${host} has neither A nor AAAA records`, `make one for ${own[0] ?? "this machine's address"}`),
    ]
  const foreign = addresses.filter((address) => !own.includes(address))
  const findings =
    foreign.length === 0
      ? [ok('DNS', `${host} is ${addresses.join(', ')}`)]
      : [
          failure(
            'DNS',
            `${host} is ${foreign.join(', ')}, which is no address of this server (${own.join(', ') || 'none'})`,
            foreign.length < addresses.length
              ? `remove the record: clients that get it first wait for nothing`
              : `external-ip=${foreign[0]} if that is this server behind NAT, else mend the record`,
          ),
        ]
  const wrong = services.filter(({ service, port }) => ports[service] !== undefined && ports[service] !== port)
  for (const { service, port } of wrong)
    findings.push(
      warning('DNS', `${service}.${host} names port ${port}, the server has ${ports[service]}`, 'mend the SRV record'),
    )
  if (services.length > wrong.length)
    findings.push(ok('DNS', `SRV: ${services.map(({ service }) => service).join(', ')}`))
  return findings
}
