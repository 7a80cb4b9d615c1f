import { readdirSync, readFileSync, readlinkSync } from 'node:fs'

/** A process that has a port. */
export interface Owner {
  readonly pid: number
  /** Its command line. */
  readonly words: readonly string[]
}

/** Who has this port of this machine, as far as this user may see; Linux alone. */
export function ownersOf(transport: 'udp' | 'tcp', port: number): Owner[] {
  const inodes = inodesOf(transport, port)
  if (inodes.size === 0) return []
  return numbersIn('/proc')
    .filter((pid) => hasSocket(pid, inodes))
    .map((pid) => ({
      pid,
      words: readOr(`/proc/${pid}/cmdline`, '')
        .split('\0')
        .filter((word) => word !== ''),
    }))
}

/** Whether it is a server of this package; coturn's `turnserver` is no script of Node's. */
export function isOurs(owner: Owner): boolean {
  return owner.words.some((word) => /(^|\/)webrtc-stack(\.js)?$|\/webrtc-stack\//.test(word)) || isTurnAlone(owner)
}

/** Whether it was started as `turnserver`: without page and signaling, whatever the file says. */
export function isTurnAlone({ words: [program = '', ...others] }: Owner): boolean {
  return /(^|\/)node$/.test(program) && others.some((word) => /(^|\/)turnserver(\.js)?$/.test(word))
}

/** As people call it. */
export function nameOf({ pid, words }: Owner): string {
  const [program = '?', script] = words
  const base = program.split('/').at(-1)!
  return `${base === 'node' && script !== undefined ? `node ${script.split('/').at(-1)}` : base} (process ${pid})`
}

/** Processes whose command line says that they keep the clock. */
export function isRunning(names: ReadonlySet<string>): boolean {
  return numbersIn('/proc').some((pid) => names.has(readOr(`/proc/${pid}/comm`, '').trim()))
}

/** Whether the process is there. */
export function wordsOf(pid: number): string[] | null {
  const text = readOr(`/proc/${pid}/cmdline`, '')
  return text === '' ? null : text.split('\0').filter((word) => word !== '')
}

export function readOr<Fallback>(path: string, otherwise: Fallback): string | Fallback {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return otherwise
  }
}

/** The columns of /proc/net/udp and its kin: local address and port in hexadecimal second, inode tenth. */
function inodesOf(transport: 'udp' | 'tcp', port: number): Set<string> {
  const hex = port.toString(16).toUpperCase().padStart(4, '0')
  const LISTEN = '0A'
  const rows = [transport, `${transport}6`].flatMap((table) => readOr(`/proc/net/${table}`, '').split('\n').slice(1))
  return new Set(
    rows
      .map((row) => row.trim().split(/\s+/))
      .filter(([, local, , state]) => local?.endsWith(`:${hex}`) && (transport === 'udp' || state === LISTEN))
      .map((columns) => columns[9]!),
  )
}

function hasSocket(pid: number, inodes: ReadonlySet<string>): boolean {
  const folder = `/proc/${pid}/fd`
  return numbersIn(folder).some((fd) => {
    try {
      const inode = /^socket:\[(\d+)\]$/.exec(readlinkSync(`${folder}/${fd}`))?.[1]
      return inode !== undefined && inodes.has(inode)
    } catch {
      return false
    }
  })
}

/** A folder of another user's process cannot be read, and a process may be gone meanwhile. */
function numbersIn(folder: string): number[] {
  try {
    return readdirSync(folder).map(Number).filter(Number.isInteger)
  } catch {
    return []
  }
}
