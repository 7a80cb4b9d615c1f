import type { Claim } from '../rooms/command.ts'

/** What a client may send: one JSON object a frame, any white space, unknown keys ignored. */
export type ClientMessage =
  | {
      readonly cmd: 'register'
      readonly roomid: string
      readonly clientid: string
      /** Ours alone, and only of a page that has registered before: Collider ignores further keys. */
      readonly claim?: Claim
    }
  | { readonly cmd: 'send'; readonly msg: string }
  | { readonly cmd: 'unexpected' }
  | { readonly cmd: 'invalid'; readonly error: string }

/** Collider's error texts, letter for letter: apps show them, and some look for them. */
export const ErrorText = {
  DUPLICATED_REGISTER_REQUEST: 'Duplicated register request',
  MISSING_ID: "Invalid register request: missing 'clientid' or 'roomid'",
  ROOM_FULL: 'Max room capacity reached',
  DUPLICATED_REGISTRATION: 'Duplicated registration',
  NOT_REGISTERED: 'Client not registered',
  MISSING_MESSAGE: "Invalid send request: missing 'msg'",
  UNEXPECTED_COMMAND: "Invalid message: unexpected 'cmd'",
  REGISTER_TIMEOUT: 'websocket.JSON.Receive error: i/o timeout',
  NOT_TEXT: 'websocket.JSON.Receive error: not a text frame',
  /** Ours alone, like the next two. */
  DRAINING: 'Server takes no new calls; try again soon',
  /** Where the rooms are does not answer. */
  UNREACHABLE: 'Rooms are out of reach',
  /** The operator's reason follows. Android shows it and ends the call. */
  ROOM_CLOSED: 'Room closed: ',
} as const

/** Reads one frame. A field that is missing is empty; one of a wrong type makes the whole frame invalid. Never throws. */
export function parseClientMessage(text: string): ClientMessage {
  let frame: unknown
  try {
    frame = JSON.parse(text)
  } catch {
    return invalid('invalid JSON')
  }
  if (typeof frame !== 'object' || Array.isArray(frame))
    return invalid(`json: cannot unmarshal ${goKind(frame)} into Go value of type collider.wsClientMsg`)
  const fields: Fields = frame ?? {}
  for (const name of TEXTS) {
    const value = fields[name] ?? ''
    if (typeof value !== 'string')
      return invalid(`json: cannot unmarshal ${goKind(value)} into Go struct field wsClientMsg.${name} of type string`)
  }
  const field = (name: (typeof TEXTS)[number]): string => String(fields[name] ?? '')
  if (fields.cmd === 'send') return { cmd: 'send', msg: field('msg') }
  if (fields.cmd !== 'register') return { cmd: 'unexpected' }
  const { secret, incall } = fields
  const claim = typeof secret === 'string' && secret !== '' ? { secret, inCall: incall === true } : null
  return { cmd: 'register', roomid: field('roomid'), clientid: field('clientid'), ...(claim && { claim }) }
}

const TEXTS = ['cmd', 'roomid', 'clientid', 'msg'] as const

/** What is looked at of a frame; no prototype has any of these names. */
type Fields = Readonly<Partial<Record<(typeof TEXTS)[number] | 'secret' | 'incall', unknown>>>

/** A relayed text as Collider's frame. */
export function messageFrame(text: string): string {
  return frame(text, '')
}

/** A refusal as Collider's frame. */
export function errorFrame(error: string): string {
  return frame('', error)
}

// Always both keys: Android ends the call when `msg` is missing.
function frame(msg: string, error: string): string {
  return `${escapeAsGo(JSON.stringify({ msg, error }))}\n`
}

/** Go's encoder writes these five so that JSON may stand in HTML and in old scripts. */
function escapeAsGo(json: string): string {
  return json.replace(/[<>&\u2028\u2029]/g, (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`)
}

function invalid(reason: string): ClientMessage {
  return { cmd: 'invalid', error: `websocket.JSON.Receive error: ${reason}` }
}

function goKind(value: unknown): string {
  if (Array.isArray(value)) return 'array'
  return typeof value === 'boolean' ? 'bool' : typeof value
}
