import { parseServerUri, type ServerUri } from '../client/uri.ts'
import type { Wire } from '../client/wire.ts'
import type { Credentials } from '../turn/auth/credentials.ts'
import { certificateOf, certificateVerdicts } from './certificate.ts'
import { type Finding, failure, warning } from './finding.ts'
import { httpTrouble } from './http.ts'
import type { IceServer } from './ice-servers.ts'
import { skewVerdict } from './machine.ts'
import { relayFinding } from './relay.ts'
import { lookAtRooms } from './rooms.ts'
import { natFinding, stunFinding } from './stun.ts'
import { noAddress, targetsOf } from './targets.ts'

/** A page of ours or of another AppRTC server: certificate, room, signaling, and every TURN URI that it hands out. */
export async function lookAtPage(wire: Wire, base: URL, login: Credentials | null): Promise<Finding[]> {
  const [certificate, { findings, iceServers, aheadSeconds }] = await Promise.all([
    base.protocol === 'https:' ? certificateFindings('certificate', base.hostname, Number(base.port || 443)) : [],
    lookAtRooms(base),
  ])
  const clock = aheadSeconds === null ? [] : [skewVerdict('clock', aheadSeconds)]
  return [...certificate, ...findings, ...clock, ...(await lookAtIceServers(wire, iceServers, login))]
}

/** More than a document names by mistake would take minutes. */
const MOST_URIS = 16

/** Each URI with the login that came with it, or with one that somebody gave. */
async function lookAtIceServers(
  wire: Wire,
  servers: readonly IceServer[],
  login: Credentials | null,
): Promise<Finding[]> {
  const findings: Finding[] = []
  // One after the other: all have one name, and a small user-quota would refuse the last of them.
  for (const { url, username, credential } of servers.slice(0, MOST_URIS)) {
    const uri = parseServerUri(url, { bare: 'turn' })
    const own = username === null || credential === null ? null : { username, password: credential }
    if (typeof uri === 'string') findings.push(failure('iceconfig', uri, 'mend ice-server-urls or ice-server-override'))
    else findings.push(...(await lookAtUri(wire, uri, login ?? own)))
  }
  const left = servers.length - MOST_URIS
  return left <= 0
    ? findings
    : [...findings, warning('iceconfig', `${left} more URIs were not asked`, 'name fewer: each slows a call down')]
}

/** Binding for `stun:`, two allocations for `turn:`, at each family of the host. */
export async function lookAtUri(wire: Wire, uri: ServerUri, login: Credentials | null): Promise<Finding[]> {
  const targets = await targetsOf(uri, [uri.transport])
  if (targets.length === 0) return [noAddress(uri)]
  const isTurn = uri.scheme.startsWith('turn')
  const findings = await Promise.all(
    targets.map((target) => (isTurn ? relayFinding(wire, target, login) : stunFinding(wire, target))),
  )
  const [first] = targets
  const nat =
    !isTurn && uri.transport === 'udp' && findings[0]!.level === 'ok' ? await natFinding(wire, first!.server) : null
  const certificate = uri.transport === 'tls' ? await certificateFindings('certificate', uri.host, uri.port) : []
  return [...findings, ...(nat === null ? [] : [nat]), ...certificate]
}

/** What the port at a host shows; `names` are those that it has to be for. */
export async function certificateFindings(
  subject: string,
  host: string,
  port: number,
  names: readonly string[] = [host],
): Promise<Finding[]> {
  try {
    const name = names.find((each) => !/^[\d.]+$|:/.test(each)) ?? null
    const shown = await certificateOf(host.replace(/^\[(.*)\]$/, '$1'), port, name)
    return certificateVerdicts(`${subject} ${port}`, shown, names, Date.now())
  } catch (error) {
    return [
      failure(
        `${subject} ${port}`,
        `${host}:${port} shows none: ${httpTrouble(error)}`,
        'set cert= and pkey=, and restart the server',
      ),
    ]
  }
}
