/**
 * What two such pages say to each other on their data channel. No server and no phone app hears it. What is new here is passed
 * over by older pages, and what an older page leaves out has a default.
 */
export type Saying = PresenceSaying | ChatSaying | ReceivedSaying | ReactionSaying

/** How the other side is: said whenever it changes. */
interface PresenceSaying extends Presence {
  readonly type: 'presence'
}

export interface Presence {
  /** Their microphone is heard. */
  readonly microphone: boolean
  readonly camera: boolean
  readonly screen: boolean
  /** Whether they want our picture; who saves data does not. */
  readonly watching: boolean
  /** What they want to be called; '' without. */
  readonly name: string
  /** Their hand is up. */
  readonly hand: boolean
}

/** A chat message. Said again on a new connection until its receipt comes. */
export interface ChatSaying {
  readonly type: 'chat'
  readonly id: string
  readonly text: string
}

/** The receipt for a chat message. */
export interface ReceivedSaying {
  readonly type: 'received'
  readonly id: string
}

/** Seen for a moment. */
export interface ReactionSaying {
  readonly type: 'reaction'
  readonly reaction: Reaction
}

export const reactions = ['👍', '❤️', '😂', '😮', '👏', '🎉'] as const
export type Reaction = (typeof reactions)[number]

/** The longest name, in UTF-16 units. */
export const maxNameLength = 40
/** The longest chat message, in UTF-16 units. */
export const maxTextLength = 2000
/** Longer sayings are nobody's. */
const maxLength = 16_384
const maxIdLength = 32

/** Reads a saying. Null for what this version doesn't know; never throws. */
export function parseSaying(text: unknown): Saying | null {
  if (typeof text !== 'string' || text.length > maxLength) return null
  let json: unknown
  try {
    json = JSON.parse(text)
  } catch {
    return null
  }
  if (typeof json !== 'object' || json === null) return null
  const said = json as Record<string, unknown>
  switch (said['type']) {
    case 'presence': {
      const { microphone, camera, screen, watching, name, hand } = said
      return {
        type: 'presence',
        microphone: microphone === true,
        camera: camera === true,
        screen: screen === true,
        watching: watching !== false,
        name: typeof name === 'string' ? plainText(name, maxNameLength) : '',
        hand: hand === true,
      }
    }
    case 'chat': {
      const text = typeof said['text'] === 'string' ? plainText(said['text']) : ''
      return isId(said['id']) && text !== '' ? { type: 'chat', id: said['id'], text } : null
    }
    case 'received':
      return isId(said['id']) ? { type: 'received', id: said['id'] } : null
    case 'reaction': {
      const reaction = reactions.find((one) => one === said['reaction'])
      return reaction === undefined ? null : { type: 'reaction', reaction }
    }
    default:
      return null
  }
}

/**
 * A text as it may be shown: without control characters other than line ends, and without those that turn the direction of
 * what stands around it; no longer than `most`.
 */
export function plainText(text: string, most = maxTextLength): string {
  return text
    .replace(/\r\n?/g, '\n')
    .replace(/[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u200e\u200f\u2028-\u202e\u2066-\u2069]/g, ' ')
    .slice(0, most)
    .trim()
}

function isId(value: unknown): value is string {
  return typeof value === 'string' && value !== '' && value.length <= maxIdLength
}
