import type { SessionPage, ThreadSession } from '../../operator/sessions.ts'
import { ExitCode } from '../exit-code.ts'
import type { Terminal } from '../terminal.ts'
import { type OperatorClient, OperatorFailure } from './client.ts'
import { bytes, type Column, counts, duration, plain, table } from './table.ts'

/** Which sessions, in words of the command line. */
export interface FilterWords {
  readonly id?: string
  readonly user?: string
  readonly address?: string
  readonly peer?: string
  readonly transport?: string
  readonly olderThan?: string
}

export interface SessionsWords extends FilterWords {
  readonly limit: string
  readonly watch?: true
  readonly json?: true
}

const WATCH_MS = 2000
/** Of the server's pages. */
const MOST_IN_PAGE = 1000

/** Lists sessions, once or again and again until `ended` says so. */
export async function sessions(
  client: OperatorClient,
  words: SessionsWords,
  terminal: Terminal,
  ended: AbortSignal,
): Promise<number> {
  const limit = wholeNumber('--limit', words.limit)
  for (let isFirst = true; ; isFirst = false) {
    const page = await read(client, filterOf(words), limit)
    const text = words.json ? JSON.stringify(page, null, words.watch ? 0 : 2) : shown(page, terminal)
    terminal.out(words.watch && !words.json ? framed(text, isFirst, terminal) : text)
    remark(page, limit, terminal)
    if (!words.watch || !(await pause(ended))) return ExitCode.OK
  }
}

/** One session with all that is known of it. */
export async function session(
  client: OperatorClient,
  id: string,
  { json }: { readonly json?: true },
  terminal: Terminal,
): Promise<number> {
  const found = await client.get<ThreadSession>(`/v1/sessions/${encodeURIComponent(id)}`)
  terminal.out(json ? JSON.stringify(found, null, 2) : linesOf(found).join('\n'))
  return ExitCode.OK
}

/** As the server's API names the fields. */
export function filterOf({ id, user, address, peer, transport, olderThan }: FilterWords) {
  const olderThanSeconds = olderThan === undefined ? undefined : secondsOf('--older-than', olderThan)
  return { id, username: user, address, peer, transport, olderThanSeconds }
}

/** `90`, `90s`, `15m`, `2h` or `1d`. */
export function secondsOf(flag: string, text: string): number {
  const [, number, unit] = /^(\d{1,9})([smhd]?)$/.exec(text) ?? []
  if (number === undefined) throw new OperatorFailure(`${flag} ${text}: write seconds, or 15m, 2h, 1d`, ExitCode.USAGE)
  return Number(number) * { '': 1, s: 1, m: 60, h: 3600, d: 86_400 }[unit as '' | 's' | 'm' | 'h' | 'd']
}

function wholeNumber(flag: string, text: string): number {
  if (!/^[1-9]\d{0,8}$/.test(text)) throw new OperatorFailure(`${flag} ${text}: write a number from 1`, ExitCode.USAGE)
  return Number(text)
}

async function read(client: OperatorClient, filter: ReturnType<typeof filterOf>, limit: number): Promise<SessionPage> {
  const found: ThreadSession[] = []
  const silent = new Set<number>()
  let cursor: string | null = null
  do {
    const page: SessionPage = await client.get('/v1/sessions', {
      ...filter,
      cursor,
      limit: Math.min(MOST_IN_PAGE, limit - found.length),
    })
    found.push(...page.sessions)
    for (const thread of page.silentThreads) silent.add(thread)
    cursor = page.cursor
  } while (cursor !== null && found.length < limit)
  return { sessions: found, cursor, silentThreads: [...silent] }
}

const COLUMNS: readonly Column<ThreadSession>[] = [
  { title: 'ID', text: ({ id }) => id },
  { title: 'USER', text: ({ username }) => username, least: 6 },
  { title: 'CLIENT', text: ({ client, transport }) => `${transport} ${client}`, least: 10 },
  { title: 'RELAYED AS', text: ({ relays }) => relays.join(' '), least: 10 },
  { title: 'AGE', text: ({ ageSeconds }) => duration(ageSeconds), isNumber: true },
  { title: 'PEERS', text: ({ permissions }) => String(permissions), isNumber: true },
  { title: 'SENT', text: ({ toPeerBytes }) => bytes(toPeerBytes), isNumber: true },
  { title: 'RECEIVED', text: ({ toClientBytes }) => bytes(toClientBytes), isNumber: true },
]

function shown({ sessions }: SessionPage, terminal: Terminal): string {
  return sessions.length === 0 ? 'no sessions' : table(COLUMNS, sessions, terminal)
}

/** In the place of what was there before, where there is a screen. */
function framed(text: string, isFirst: boolean, { columns }: Terminal): string {
  if (columns !== undefined) return `\x1b[2J\x1b[H${text}`
  return isFirst ? text : `\n${text}`
}

function remark({ cursor, silentThreads }: SessionPage, limit: number, terminal: Terminal): void {
  if (cursor !== null) terminal.err(`there are more than these ${limit}; --limit=N shows N of them`)
  if (silentThreads.length > 0)
    terminal.err(`relay threads ${silentThreads.join(', ')} did not answer: their sessions are missing`)
}

/** False when it is over. */
function pause(ended: AbortSignal): Promise<boolean> {
  if (ended.aborted) return Promise.resolve(false)
  return new Promise((resolve) => {
    const timer = setTimeout(() => resolve(true), WATCH_MS)
    ended.addEventListener('abort', () => {
      clearTimeout(timer)
      resolve(false)
    })
  })
}

function linesOf(found: ThreadSession): string[] {
  const { more } = found
  const line = (name: string, text: string) => `${name.padEnd(NAME_COLUMN)}${plain(text)}`
  const left = (seconds: number) => `${duration(seconds)} left`
  return [
    line('session', found.id),
    line('user', found.username === '' ? 'anybody (no-auth)' : `${found.username}, realm ${more?.realm ?? '?'}`),
    line('client', `${found.client} over ${found.transport}, at ${more?.server ?? '?'}`),
    line('relayed as', found.relays.join(' ')),
    line('bound to', more?.boundTo.join(' ') ?? '?'),
    line('thread', String(found.thread)),
    line('age', `${duration(found.ageSeconds)}, ${left(found.expiresInSeconds)} unless it is refreshed`),
    line('can move', more?.mobile ? 'yes, it has a ticket' : 'no'),
    line('to peers', `${bytes(found.toPeerBytes)} in ${found.toPeerPackets} packets`),
    line('to client', `${bytes(found.toClientBytes)} in ${found.toClientPackets} packets`),
    line('dropped', `to peers ${counts(more?.droppedToPeer ?? {})}; to client ${counts(more?.droppedToClient ?? {})}`),
    ...(more?.boundChannels ?? []).map(({ number, peer, expiresInSeconds }, i) => {
      return line(i === 0 ? 'channels' : '', `0x${number.toString(16)} ${peer}, ${left(expiresInSeconds)}`)
    }),
    ...(more?.peerConnections ?? []).map(({ peer, state }, i) => {
      return line(i === 0 ? 'tcp peers' : '', `${peer}, ${state}`)
    }),
    ...(more?.permittedPeers ?? []).map(({ ip, expiresInSeconds }, i) => {
      return line(i === 0 ? 'permissions' : '', `${ip}, ${left(expiresInSeconds)}`)
    }),
  ]
}

const NAME_COLUMN = 16
