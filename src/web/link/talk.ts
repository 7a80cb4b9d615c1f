/** What two such pages say to each other on their data channel. No server and no phone app hears it. */
export type Saying = PresenceSaying

/** How the other side is: said whenever it changes. */
interface PresenceSaying extends Presence {
  readonly type: 'presence'
}

export interface Presence {
  /** Their microphone is heard. */
  readonly microphone: boolean
  readonly camera: boolean
  readonly screen: boolean
}

/** Longer sayings are nobody's. */
const maxLength = 16_384

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
  const { type, microphone, camera, screen } = json as Record<string, unknown>
  if (type !== 'presence') return null
  return { type, microphone: microphone === true, camera: camera === true, screen: screen === true }
}
