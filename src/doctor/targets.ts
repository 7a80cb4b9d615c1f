import { randomInt } from 'node:crypto'
import { formatServerUri, type ServerUri } from '../client/uri.ts'
import { addressesOf } from '../client/whereabouts.ts'
import { Address } from '../stun/address.ts'
import { type Credentials, mint } from '../turn/auth/credentials.ts'
import type { ClientTransport } from '../turn/five-tuple.ts'
import { type Finding, failure } from './finding.ts'
import type { Target } from './stun.ts'

/** The addresses of a host, the first of each family, by each of the transports. */
export async function targetsOf(uri: ServerUri, transports: readonly ClientTransport[]): Promise<Target[]> {
  const found = await addressesOf(uri)
  const addresses = [4, 6].flatMap((family) => found.find((address) => address.family === family) ?? [])
  const serverName = Address.parse(uri.host) === null ? uri.host : null
  return addresses.flatMap((address) =>
    transports.map((transport) => {
      const isSecure = transport === 'tls' || transport === 'dtls'
      const server = isSecure && uri.port === 3478 ? address.withPort(5349) : address
      return { transport, server: transport === uri.transport ? address : server, serverName }
    }),
  )
}

export function noAddress(uri: ServerUri): Finding {
  return failure(
    'DNS',
    `no address is known for ${uri.host}`,
    `look at the name in ${formatServerUri(uri)}, and at DNS`,
  )
}

/** A name that is good for as long as a probe may take. */
export function probeLogin(secret: string, separator: string): Credentials {
  return mint(secret, { userid: `doctor-${randomInt(1e9)}`, lifetimeSeconds: 600, wallMs: Date.now(), separator })
}
