import { unwatchFile, watchFile } from 'node:fs'
import type { LoadedConfig } from '../config/load.ts'

/** Often enough for an operator who waits for it, and next to nothing for the machine. */
const LOOK_MS = 2000
/** Whoever renews a certificate writes one file after the other. */
const REST_MS = 1000

/** What a reload reads: the configuration file, and the files that it names. */
export function filesOf({ file, config }: LoadedConfig): string[] {
  return [file, config.cert, config.pkey, config['CA-file'], config['dh-file']].filter((path) => path !== null)
}

/**
 * Calls `changed` when any of these files has changed and then rested. Each is looked at by its name, so that it is seen when
 * another file or link takes its place, and when it comes back. Returns what ends it.
 */
export function watchFiles(paths: readonly string[], changed: () => void): () => void {
  let rest: NodeJS.Timeout | undefined
  const seen = () => {
    clearTimeout(rest)
    rest = setTimeout(changed, REST_MS).unref()
  }
  for (const path of paths) watchFile(path, { interval: LOOK_MS, persistent: false }, seen)
  return () => {
    clearTimeout(rest)
    for (const path of paths) unwatchFile(path, seen)
  }
}
