import { type Attempt, explain } from '../client/explain.ts'
import { FILTERING_WORDS, MAPPING_WORDS, type NatBehaviour, natBehaviour } from '../client/nat-behaviour.ts'
import { askMapping, type Mapping } from '../client/stun-client.ts'
import { NoAnswer } from '../client/transactions.ts'
import { addressTowards, refusesDatagrams } from '../client/whereabouts.ts'
import type { Wire } from '../client/wire.ts'
import { dtlsSupport } from '../net/openssl/openssl.ts'
import type { Address } from '../stun/address.ts'
import type { Credentials } from '../turn/auth/credentials.ts'
import type { ClientTransport } from '../turn/five-tuple.ts'
import { type Finding, failure, ok, warning } from './finding.ts'

/** One way to reach a server. */
export interface Target {
  readonly transport: ClientTransport
  readonly server: Address
  /** What a TLS server is asked for; null for an address. */
  readonly serverName: string | null
}

/** Where the server sees us, over one transport. */
export async function stunFinding(wire: Wire, target: Target): Promise<Finding> {
  const subject = `STUN ${label(target)}`
  const unable = cannotProbe(subject, target)
  if (unable !== null) return unable
  try {
    return mappingVerdict(subject, target.server, await askMapping(wire, target))
  } catch (error) {
    return await troubleFinding(subject, error, { ...target, login: null })
  }
}

/** NAT behaviour discovery where the server offers it; null where it does not. */
export async function natFinding(wire: Wire, server: Address): Promise<Finding | null> {
  try {
    const behaviour = await natBehaviour(wire, await addressTowards(server), server)
    return behaviour === null ? null : natVerdict(behaviour)
  } catch (error) {
    // Without OTHER-ADDRESS nothing more is asked, and what Binding itself runs into has a line of its own.
    if (error instanceof NoAnswer && error.what !== 'Binding')
      return warning(
        'NAT',
        error.message,
        'the second address of the server (RFC 5780) is not reached; ask another one',
      )
    return null
  }
}

function mappingVerdict(subject: string, server: Address, { mapped, roundTripMs, software }: Mapping): Finding {
  const by = software === null ? '' : `, ${software}`
  return ok(subject, `${server} sees ${mapped} (${ms(roundTripMs)}${by})`)
}

export function natVerdict({ mapping, filtering }: NatBehaviour): Finding {
  return ok('NAT', `${MAPPING_WORDS[mapping]}; ${FILTERING_WORDS[filtering]}`)
}

/** What a probe ran into, as a finding. Throws what is a mistake of ours. */
export async function troubleFinding(
  subject: string,
  error: unknown,
  { server, transport, login }: Pick<Target, 'server' | 'transport'> & { readonly login: Credentials | null },
): Promise<Finding> {
  const isDatagram = transport === 'udp' || transport === 'dtls'
  const isRefused = error instanceof NoAnswer && isDatagram && (await refusesDatagrams(server))
  const attempt: Attempt = { server, transport, login, wallMs: Date.now(), isRefused }
  const explanation = explain(error, attempt)
  if (explanation === null) throw error
  return failure(subject, explanation.trouble, explanation.fix)
}

/** Says so where DTLS cannot be spoken from here; null where the probe may go on. */
export function cannotProbe(subject: string, { transport }: Target): Finding | null {
  const support = transport === 'dtls' ? dtlsSupport() : null
  if (support === null || support.available) return null
  return warning(
    subject,
    `DTLS is not probed: ${support.reason}`,
    'run this on a machine that has it, or leave DTLS out',
  )
}

/** Which family and transport. */
export function label({ transport, server }: Target): string {
  return `${transport} v${server.family}`
}

export function ms(time: number): string {
  return `${time < 10 ? time.toFixed(1) : Math.round(time)} ms`
}
