import type { Address } from '../stun/address.ts'
import { ErrorCode } from '../stun/constants.ts'
import { type Credentials, parseRestName } from '../turn/auth/credentials.ts'
import type { ClientTransport } from '../turn/five-tuple.ts'
import { NoAnswer } from './transactions.ts'
import { TurnRefusal } from './turn-client.ts'

/** What went wrong between a client and a server, and what to do about it. */
export interface Explanation {
  readonly trouble: string
  readonly fix: string
}

export interface Attempt {
  readonly server: Address
  readonly transport: ClientTransport
  /** Null where nobody logged in. */
  readonly login: Credentials | null
  /** Unix milliseconds. */
  readonly wallMs: number
  /** Whether datagrams came back as "port unreachable". */
  readonly isRefused?: boolean
}

/** Null for an error that is none of the network's or the server's. */
export function explain(error: unknown, attempt: Attempt): Explanation | null {
  if (error instanceof TurnRefusal) return { trouble: error.message, fix: refusalFix(error, attempt) }
  const { server, transport, isRefused } = attempt
  const carrier = transport === 'udp' || transport === 'dtls' ? 'udp' : 'tcp'
  const nobody = {
    trouble: `nobody listens on ${server} over ${carrier}`,
    fix: `start the server, or compare its ports with ${server.port}`,
  }
  if (error instanceof NoAnswer) {
    if (isRefused) return { ...nobody, trouble: `${error.message}: ${nobody.trouble}` }
    const trouble = `${error.message} from ${server} over ${transport}`
    if (error.what.startsWith('ChannelData')) return { trouble, fix: LOST_BETWEEN_RELAYS }
    if (error.what.startsWith('the TLS'))
      return { trouble, fix: `what listens on port ${server.port} speaks no TLS; compare tls-listening-port` }
    return { trouble, fix: `let ${carrier} port ${server.port} through each firewall and cloud rule, both ways` }
  }
  const code = error instanceof Error && 'code' in error ? String(error.code) : ''
  if (code === 'ECONNREFUSED') return nobody
  if (transport === 'tls' && (code === 'ECONNRESET' || code === 'EPROTO' || code.startsWith('ERR_SSL_')))
    return {
      trouble: `${server} does not speak TLS (${code})`,
      fix: 'it is another port, or no certificate is configured there (cert=, pkey=)',
    }
  if (code === 'ENETUNREACH' || code === 'EHOSTUNREACH')
    return { trouble: `no route to ${server} (${code})`, fix: `this machine has no IPv${server.family} path there` }
  if (/^E[A-Z]+$/.test(code)) return { trouble: `${server} over ${transport}: ${code}`, fix: 'see the system log' }
  if (transport === 'dtls' && error instanceof Error)
    return {
      trouble: `${server}: ${error.message}`,
      fix: 'switch on dtls= and a certificate there, or use turns: over TCP',
    }
  return null
}

const LOST_BETWEEN_RELAYS =
  'allocations work and packets between them are lost: look at the firewall for udp min-port to max-port, external-ip and relay-ip'

function refusalFix({ what, code, alternate }: TurnRefusal, { login, wallMs }: Attempt): string {
  switch (code) {
    case ErrorCode.TRY_ALTERNATE:
      return `the server sends new clients to ${alternate ?? 'another server'}; ask that one (alternate-server)`
    case ErrorCode.UNAUTHENTICATED:
    case ErrorCode.WRONG_CREDENTIALS:
      return loginFix(what, login, wallMs)
    case ErrorCode.FORBIDDEN:
      return what === 'Allocate'
        ? 'the server is draining, or set up not to relay UDP (no-udp-relay, stun-only); its log says which'
        : "the server's rules deny its own relay as a peer: look at denied-peer-ip and allowed-peer-ip"
    case ErrorCode.ALLOCATION_MISMATCH:
      return 'address and port of this client have an allocation already, of a program or NAT that used them before; try again'
    case ErrorCode.STALE_NONCE:
      return 'each nonce is stale at once: behind one address stand several servers that do not share clients, or its clock jumps'
    case ErrorCode.ADDRESS_FAMILY_NOT_SUPPORTED:
      return 'the server has no address of that family to relay from: set relay-ip (and external-ip behind NAT)'
    case ErrorCode.UNSUPPORTED_TRANSPORT_PROTOCOL:
      return 'the server relays no UDP: look at no-udp-relay'
    case ErrorCode.ALLOCATION_QUOTA_REACHED:
      return 'this user or address has as many allocations as it may: user-quota, total-quota, max-allocations-per-address'
    case ErrorCode.INSUFFICIENT_CAPACITY:
      return 'no relay port is left: widen min-port to max-port; its log says whether total-quota or bps-capacity is used up'
    case ErrorCode.SERVER_ERROR:
      return 'the server cannot look up its users or open sockets now; its log says why'
    default:
      return "the reason is in the server's log"
  }
}

/** A name that ends by itself is wrong on a server whose clock is ahead of that; the server does not tell which. */
function loginFix(what: string, login: Credentials | null, wallMs: number): string {
  if (login === null)
    return what === 'Binding'
      ? 'the server wants a login even for STUN (secure-stun)'
      : 'the server wants a login: -u NAME -w PASSWORD, or --secret with its static-auth-secret'
  const { expiresAtMs } = parseRestName(login.username, ':')
  if (expiresAtMs === null) return `no user "${login.username}" there, or another password or realm`
  const left = Math.round((expiresAtMs - wallMs) / 1000)
  if (left <= 0) return `the name ended ${-left} s ago by this machine's clock: ask for a new one`
  return `the secret is not the server's static-auth-secret, or its clock is more than ${Math.ceil(left / 60)} min ahead of this one's (compare \`date -u\`)`
}
