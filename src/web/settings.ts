/** What this browser remembers from visit to visit. */
export interface Settings {
  /** The chosen language; null follows the browser. */
  readonly language: string | null
  /** Rooms that were joined, newest first. */
  readonly recentRooms: readonly string[]
  /** Device ids, as the browser gives them to this site; null is the browser's choice. */
  readonly microphone: string | null
  readonly camera: string | null
}

/** Goes up when a value changes its meaning; what another version wrote is then read as defaults. */
const version = 1
const key = 'webrtc-stack'

const defaults: Settings = { language: null, recentRooms: [], microphone: null, camera: null }

/** Reads what was stored. A value that is missing or of the wrong kind is its default; never throws. */
export function parseSettings(text: string | null): Settings {
  let stored: Partial<Record<keyof Settings | 'version', unknown>>
  try {
    stored = JSON.parse(text ?? '{}') ?? {}
  } catch {
    return defaults
  }
  if (stored.version !== version) return defaults
  const nonEmpty = (value: unknown) => (typeof value === 'string' && value !== '' ? value : null)
  return {
    language: nonEmpty(stored.language),
    recentRooms: Array.isArray(stored.recentRooms) ? stored.recentRooms.filter((name) => typeof name === 'string') : [],
    microphone: nonEmpty(stored.microphone),
    camera: nonEmpty(stored.camera),
  }
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
