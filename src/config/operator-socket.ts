import { accessSync, constants, existsSync, statSync } from 'node:fs'
import { dirname, join } from 'node:path'

const FILE = 'operator.sock'

/** Where the operator's socket is when nobody says: the folder that systemd makes, that of the machine, that of this user. */
export function operatorSocketPlaces(environment: Readonly<Record<string, string | undefined>>): string[] {
  const { RUNTIME_DIRECTORY: unit, XDG_RUNTIME_DIR: user } = environment
  const folders = [
    ...(unit ? [unit.split(':')[0]!] : []),
    '/run/webrtc-stack',
    ...(user ? [join(user, 'webrtc-stack')] : []),
  ]
  return [...new Set(folders)].map((folder) => join(folder, FILE))
}

/** The first of these that this process can make; null when it can make none. */
export function firstWritable(places: readonly string[]): string | null {
  return places.find((path) => isWritable(dirname(path))) ?? null
}

/** A folder that is there, or can be made. */
function isWritable(folder: string): boolean {
  try {
    const found = existsSync(folder) ? folder : dirname(folder)
    accessSync(found, constants.W_OK | constants.X_OK)
    return statSync(found).isDirectory()
  } catch {
    return false
  }
}
