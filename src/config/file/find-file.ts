import { accessSync, constants, existsSync } from 'node:fs'
import { dirname, isAbsolute, join, resolve } from 'node:path'

/** Where relative folders begin: the working directory, then the folder of the program. */
export interface Places {
  readonly directory: string
  readonly programDirectory: string
}

export interface Found {
  /** The first file of that name that can be read. */
  readonly path: string | null
  /** Files met on the way that are there but may not be read. */
  readonly unreadable: readonly string[]
}

/** Looks for a configuration, certificate or key file in the folders where coturn looks, in its order. */
export function findFile(name: string, places: Places): Found {
  // A shell expands `~`; what still has one here names a file that begins with it.
  const candidates =
    isAbsolute(name) || name.startsWith('~')
      ? [resolve(places.directory, name)]
      : folders(places).map((folder) => join(folder, name))
  const unreadable: string[] = []
  for (const path of candidates) {
    if (isReadable(path)) return { path, unreadable }
    if (existsSync(path)) unreadable.push(path)
  }
  return { path: null, unreadable }
}

function folders({ directory, programDirectory }: Places): string[] {
  const prefix = dirname(dirname(process.execPath))
  return [
    ...relative.map((folder) => resolve(directory, folder)),
    ...relative.map((folder) => resolve(programDirectory, folder)),
    ...['/etc', '/usr/local/etc', join(prefix, 'etc')].flatMap((etc) => [etc, `${etc}/turnserver`, `${etc}/coturn`]),
  ]
}

const relative = [
  ...['.', 'turnserver', 'coturn'],
  ...['etc', 'etc/turnserver', 'etc/coturn'],
  ...['../etc', '../etc/turnserver', '../etc/coturn'],
]

function isReadable(path: string): boolean {
  try {
    accessSync(path, constants.R_OK)
    return true
  } catch {
    return false
  }
}
