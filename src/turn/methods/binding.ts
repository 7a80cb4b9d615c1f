import type { Address } from '../../stun/address.ts'
import { Attribute, ErrorCode } from '../../stun/constants.ts'
import type { StunMessage } from '../../stun/message.ts'
import type { FiveTuple } from '../five-tuple.ts'
import type { TurnOptions } from '../options.ts'
import { type Refused, refuse, type Settled, type Success } from '../reply.ts'
import { changes } from './nat-behaviour.ts'

/** An answer is padded up to what an Ethernet carries in one IPv6 packet. */
const MOST_PADDED = 1452

/** Below are the ports of services, which nobody discovers a NAT with (SEC-10 in the tests). */
const LEAST_RESPONSE_PORT = 1024

/** RFC 8489 §6.3.1.1, §12: where the request came from, and nothing that was not asked for; RFC 5780 §6.1 with `rfc5780`. */
export function binding(request: StunMessage, client: FiveTuple, options: TurnOptions): Settled {
  const refused = refuseNatBehaviour(request, client, options)
  if (refused !== null) return refused
  const mapped = options.stunBackwardCompatibility
    ? { mapped: client.client, plainMapped: client.client }
    : { mapped: client.client }
  const found = discovered(request, client, options)
  if (found === null) return mapped
  const { server, other, port } = found
  return {
    ...mapped,
    responseOrigin: server,
    otherAddress: other,
    // No longer than the request, or strangers' requests would grow on their way to whom they name as their source.
    ...(request.has(Attribute.PADDING) ? { padTo: Math.min(request.end - request.start, MOST_PADDED) } : {}),
    ...path(client, server, port),
  }
}

/**
 * RFC 8489 §11: a client of RFC 3489 knows only the plain address; with `rfc5780` it may ask from where it is answered, too.
 * `request` has 16 bytes of transaction id.
 */
export function classicBinding(request: StunMessage, client: FiveTuple, options: TurnOptions): Settled {
  if (client.transport === 'dtls') return { error: ErrorCode.SERVER_ERROR, reason: 'RFC 3489 request over DTLS' }
  const refused = refuseNatBehaviour(request, client, options)
  if (refused !== null) return refused
  const found = discovered(request, client, options)
  if (found === null) return { plainMapped: client.client }
  const { server, other } = found
  const plainMapped = client.client
  return { plainMapped, sourceAddress: server, changedAddress: other, ...path(client, server, client.client.port) }
}

/** Whether the answer goes to another port than its request came from: whoever has that one has asked for nothing. */
export function goesToOtherPort(reply: Settled, client: FiveTuple): boolean {
  return !('error' in reply) && reply.path !== undefined && reply.path.client.port !== client.client.port
}

function refuseNatBehaviour(request: StunMessage, client: FiveTuple, options: TurnOptions): Refused | null {
  const changeRequest = request.uint32(Attribute.CHANGE_REQUEST) ?? 0
  const isUdp = client.transport === 'udp'
  if (changes(changeRequest)) {
    if (options.natBehaviour === null) return unanswerable('CHANGE-REQUEST without rfc5780')
    if (!isUdp) return refuse(ErrorCode.BAD_REQUEST, 'CHANGE-REQUEST over another transport than UDP')
    if (options.natBehaviour.responseOrigin(client.server, changeRequest) === null) {
      return unanswerable('CHANGE-REQUEST to an address that has no other beside it')
    }
  }
  const isPadded = request.has(Attribute.PADDING)
  if (isPadded && client.isStream) return refuse(ErrorCode.BAD_REQUEST, 'PADDING over a stream')
  const port = responsePort(request)
  if (port === null) return null
  if (port === 'malformed') return refuse(ErrorCode.BAD_REQUEST, 'RESPONSE-PORT is malformed')
  if (isPadded) return refuse(ErrorCode.BAD_REQUEST, 'PADDING with RESPONSE-PORT')
  if (!isUdp) return refuse(ErrorCode.BAD_REQUEST, 'RESPONSE-PORT over another transport than UDP')
  if (options.natBehaviour !== null && port < LEAST_RESPONSE_PORT) {
    return refuse(ErrorCode.BAD_REQUEST, `RESPONSE-PORT ${port} is a service's`)
  }
  return null
}

/** RFC 5780 §7.2: who asks for another source address must not be answered from this one. */
function unanswerable(reason: string): Refused {
  return { error: ErrorCode.UNKNOWN_ATTRIBUTE, reason, unknownAttributes: [Attribute.CHANGE_REQUEST] }
}

/** From where and to which port a request is answered that may be; null where NAT behaviour is not discovered. */
function discovered(
  request: StunMessage,
  { server, client }: FiveTuple,
  { natBehaviour }: TurnOptions,
): { readonly server: Address; readonly other: Address; readonly port: number } | null {
  const other = natBehaviour?.otherAddress(server) ?? null
  const origin = natBehaviour?.responseOrigin(server, request.uint32(Attribute.CHANGE_REQUEST) ?? 0) ?? null
  if (other === null || origin === null) return null
  const port = responsePort(request)
  return { server: origin, other, port: typeof port === 'number' ? port : client.port }
}

/** Without CHANGE-REQUEST and RESPONSE-PORT an answer goes back on the way that its request came. */
function path({ server, client }: FiveTuple, origin: Address, port: number): Pick<Success, 'path'> {
  if (origin.equals(server) && port === client.port) return {}
  return { path: { server: origin, client: client.withPort(port) } }
}

/** RFC 5780 §7.5: 16 bits; some write the padding behind them as part of the value. */
function responsePort(request: StunMessage): number | null | 'malformed' {
  const value = request.value(Attribute.RESPONSE_PORT)
  if (value === null) return null
  return value.length === 2 || value.length === 4 ? value.readUInt16BE(0) : 'malformed'
}
