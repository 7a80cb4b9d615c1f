import { createHmac, timingSafeEqual } from 'node:crypto'

/** A login that ends by itself, as TURN REST names it: the password follows from the name and a shared secret. */
export interface Credentials {
  readonly username: string
  readonly password: string
}

export interface CredentialRequest {
  /** Whom the quota counts; absent for a name that is the time alone. */
  readonly userid?: string | undefined
  readonly lifetimeSeconds: number
  readonly wallMs: number
  /** `rest-api-separator`. */
  readonly separator?: string
}

/** Makes credentials that `Authenticator` accepts until their time is over. */
export function mint(secret: string, request: CredentialRequest): Credentials {
  const { userid, lifetimeSeconds, wallMs, separator = ':' } = request
  const expiry = Math.floor(wallMs / 1000) + lifetimeSeconds
  const username = userid === undefined ? `${expiry}` : `${expiry}${separator}${userid}`
  return { username, password: restPassword(secret, username) }
}

/** base64(HMAC-SHA1(secret, whole user name)). */
export function restPassword(secret: string, username: string): string {
  return createHmac('sha1', secret).update(username).digest('base64')
}

/**
 * The userid in credentials that anybody may ask for: it stands for `source`, whatever that calls itself, so that asking again
 * gives no fresh quota. Who gets names signed by an operator's own service cannot make one: it is signed itself, with a key that
 * only those have who know the secret. The same on every node that does.
 */
export function visitorId(secret: string, source: string): string {
  const id = visitorDigest(secret, 'source', source)
  return `${VISITOR}${id}${visitorDigest(secret, 'id', id)}`
}

/** Whether a userid was made by `visitorId`. */
export function isVisitorId(secret: string, userid: string): boolean {
  if (userid.length !== VISITOR.length + 2 * VISITOR_DIGEST || !userid.startsWith(VISITOR)) return false
  const id = userid.slice(VISITOR.length, VISITOR.length + VISITOR_DIGEST)
  const [given, right] = [Buffer.from(userid), Buffer.from(`${VISITOR}${id}${visitorDigest(secret, 'id', id)}`)]
  return given.length === right.length && timingSafeEqual(given, right)
}

const VISITOR = 'visitor-'
/** Characters, of 6 bits each. */
const VISITOR_DIGEST = 16

function visitorDigest(secret: string, purpose: string, text: string): string {
  const message = `webrtc-stack visitor ${purpose}\0${text}`
  return createHmac('sha256', secret).update(message).digest('base64url').slice(0, VISITOR_DIGEST)
}

/** What a temporary user name says. */
export interface RestName {
  /** Unix time in milliseconds; null when the name holds no time. */
  readonly expiresAtMs: number | null
  /** The name gave milliseconds where seconds belong. */
  readonly inMilliseconds: boolean
  /** The part that stands for the person; the whole name when it is the time alone. */
  readonly userid: string
}

/** Reads `time:userid`, `userid:time` or `time`; a leading separator is skipped. */
export function parseRestName(username: string, separator: string): RestName {
  const name = username.startsWith(separator) ? username.slice(separator.length) : username
  const at = name.indexOf(separator)
  if (at < 0) return restName(name, name)
  const front = name.slice(0, at)
  const back = name.slice(at + separator.length)
  return /^[0-9]+$/.test(front) ? restName(front, back || username) : restName(back, front)
}

function restName(time: string, userid: string): RestName {
  const digits = /^[0-9]+/.exec(time)
  const number = digits === null ? Number.NaN : Number(digits[0])
  if (!Number.isSafeInteger(number)) return { expiresAtMs: null, inMilliseconds: false, userid }
  const inMilliseconds = number > MOST_SECONDS
  return { expiresAtMs: inMilliseconds ? number : number * 1000, inMilliseconds, userid }
}

/** The year 5138 in seconds, 1973 in milliseconds: nobody means either. */
const MOST_SECONDS = 1e11
