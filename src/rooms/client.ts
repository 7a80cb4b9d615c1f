/**
 * One client of a room. Having a place and having a socket are separate: after /leave a client is no member any more, but
 * its socket must stay usable, because its bye comes afterwards.
 */
export interface Client {
  readonly id: string
  /** What its join, register or POST was counted by: an IPv4 address or an IPv6 /64; the pseudo client's is the real one's. */
  readonly from: string
  /** When it became known here. */
  readonly since: number
  /** The pseudo client of a loopback room: it comes and goes with the real one. */
  readonly loopback: boolean
  /**
   * `member`: has a place, given by join. `left`: had one; only its socket is left. `guest`: known from `register` or a
   * Collider POST alone, as every client is when a foreign room server uses our hub.
   */
  standing: 'member' | 'left' | 'guest'
  /** What its join answer said nobody else knows; '' for one that has not joined. */
  secret: string
  /** Took its place back after a restart of the server. */
  returned: boolean
  /** Came into an empty room, or is the one who remained. */
  initiator: boolean
  /**
   * `awaited`: it has had none yet. `open`: it has one. `lost`: it had one, which broke. `gone`: the page behind it was
   * closed (1001), so nobody comes back for the place.
   */
  socket: 'awaited' | 'open' | 'lost' | 'gone'
  /** When it loses its place unless a socket comes. */
  expiresAt: number
  /** Texts for this client that wait for its socket. */
  inbox: WaitingText[]
  /** Texts of this client that wait for whoever comes next. */
  outbox: WaitingText[]
  /** Who still hears a client that has left: the members it left behind. A newcomer must not get its late bye. */
  audience: ReadonlySet<string>
}

/** A text and whose share of the memory it is in: that of who said it. */
export interface WaitingText {
  readonly text: string
  /** As UTF-8. */
  readonly bytes: number
  readonly from: string
}

/** What a page shows besides its id at a register that is not its first. */
export interface Claim {
  /** From its join answer. */
  readonly secret: string
  /** A call that began in this room goes on. */
  readonly inCall: boolean
}

/** The pseudo client that fills a room joined with `debug=loopback`. */
export const LOOPBACK_CLIENT_ID = 'LOOPBACK_CLIENT_ID'

/** The text that every AppRTC client understands as "the other side hung up". */
export const BYE = '{"type":"bye"}'

/** Whether a relayed text is a bye, in whatever spelling of JSON. */
export function isBye(text: string): boolean {
  // Cheap and exact: without its letters and without an escape no JSON says bye.
  if (!/bye|\\u/.test(text)) return false
  try {
    const message: unknown = JSON.parse(text)
    return typeof message === 'object' && message !== null && 'type' in message && message.type === 'bye'
  } catch {
    return false
  }
}

export function newClient(
  id: string,
  standing: Client['standing'],
  since: number,
  expiresAt: number,
  from = '',
): Client {
  return {
    id,
    from,
    since,
    loopback: false,
    standing,
    secret: '',
    returned: false,
    initiator: false,
    socket: 'awaited',
    expiresAt,
    inbox: [],
    outbox: [],
    audience: new Set(),
  }
}
