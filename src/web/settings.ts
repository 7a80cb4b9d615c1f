/** How much of our picture is sent; `sound` is no picture in either direction. */
export type DataUse = 'high' | 'medium' | 'low' | 'sound'

/** Where our own picture is. */
export type Corner = 'top-left' | 'top-right' | 'bottom-left' | 'bottom-right'

/** What this browser remembers from visit to visit. */
export interface Settings {
  /** The chosen language; null follows the browser. */
  readonly language: string | null
  /** Rooms that were joined, newest first. */
  readonly recentRooms: readonly string[]
  /** What the others see; null is no name. */
  readonly name: string | null
  /** Device ids, as the browser gives them to this site; null is the browser's choice. */
  readonly microphone: string | null
  readonly camera: string | null
  readonly speaker: string | null
  /** What the browser does to the microphone's sound. */
  readonly echoCancellation: boolean
  readonly noiseSuppression: boolean
  readonly autoGainControl: boolean
  /** Muted, but for as long as the space bar is held. */
  readonly pushToTalk: boolean
  readonly dataUse: DataUse
  /** A sound when somebody comes, goes or writes. */
  readonly sounds: boolean
  /** The picture of the other side is cut to fill its place. */
  readonly fill: boolean
  readonly selfCorner: Corner
}

/** Goes up when a value changes its meaning; what another version wrote is then read as defaults. */
const version = 1
const key = 'webrtc-stack'

type Readers = { readonly [Name in keyof Settings]: (stored: unknown) => Settings[Name] }

/** Each value as it was stored, or its default when that is missing or of the wrong kind. */
const readers: Readers = {
  language: nonEmpty,
  recentRooms: (stored) => (Array.isArray(stored) ? stored.filter((name) => typeof name === 'string') : []),
  name: nonEmpty,
  microphone: nonEmpty,
  camera: nonEmpty,
  speaker: nonEmpty,
  echoCancellation: (stored) => stored !== false,
  noiseSuppression: (stored) => stored !== false,
  autoGainControl: (stored) => stored !== false,
  pushToTalk: (stored) => stored === true,
  dataUse: oneOf(['high', 'medium', 'low', 'sound']),
  sounds: (stored) => stored !== false,
  fill: (stored) => stored === true,
  selfCorner: oneOf(['bottom-right', 'bottom-left', 'top-left', 'top-right']),
}

/** Reads what was stored; never throws. */
export function parseSettings(text: string | null): Settings {
  let stored: Record<string, unknown>
  try {
    stored = JSON.parse(text ?? '{}') ?? {}
  } catch {
    stored = {}
  }
  const known = stored['version'] === version ? stored : {}
  const read = Object.entries(readers).map(([name, reader]) => [name, reader(known[name])])
  return Object.fromEntries(read) as Settings
}

/**
 * localStorage where the browser allows it, else the memory of this tab: private windows and strict privacy settings make
 * every access throw, and a call must work there too. Read anew each time, because other tabs write, too.
 */
export const settings = {
  get<Name extends keyof Settings>(name: Name): Settings[Name] {
    return parseSettings(load())[name]
  },
  set<Name extends keyof Settings>(name: Name, value: Settings[Name]): void {
    save(JSON.stringify({ ...parseSettings(load()), [name]: value, version }))
  },
}

let memory: string | null = null

function load(): string | null {
  try {
    return localStorage.getItem(key)
  } catch {
    return memory
  }
}

function save(text: string): void {
  try {
    localStorage.setItem(key, text)
  } catch {
    memory = text
  }
}

function nonEmpty(stored: unknown): string | null {
  return typeof stored === 'string' && stored !== '' ? stored : null
}

/** One of these words; the first is the default. */
function oneOf<Word extends string>(words: readonly [Word, ...Word[]]): (stored: unknown) => Word {
  return (stored) => words.find((word) => word === stored) ?? words[0]
}
