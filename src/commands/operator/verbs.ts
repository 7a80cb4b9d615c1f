import type { DrainReport } from '../../operator/drain.ts'
import type { CertificateReport, LogLevel, ReloadReport } from '../../operator/reports.ts'
import type { Ended } from '../../operator/sessions.ts'
import type { RoomListing, RoomPage } from '../../rooms/listing.ts'
import { ExitCode } from '../exit-code.ts'
import type { Terminal } from '../terminal.ts'
import { type OperatorClient, OperatorFailure } from './client.ts'
import { type FilterWords, filterOf, secondsOf } from './sessions.ts'
import { type Column, duration, plain, table } from './table.ts'

interface Asked {
  readonly json?: true
}

/** Prints an answer as JSON, or in words. */
function tell<Answer>(answer: Answer, { json }: Asked, words: (answer: Answer) => string, terminal: Terminal): number {
  terminal.out(json ? JSON.stringify(answer, null, 2) : words(answer))
  return ExitCode.OK
}

export async function disconnect(
  client: OperatorClient,
  words: FilterWords & Asked & { readonly reason?: string },
  terminal: Terminal,
): Promise<number> {
  const filter = filterOf(words)
  if (Object.values(filter).every((value) => value === undefined))
    throw new OperatorFailure('whom? give an ID, --user, --address or another filter', ExitCode.USAGE)
  const answer = await client.send<Ended>('POST', '/v1/disconnect', { ...filter, reason: words.reason })
  const { ended, silentThreads } = answer
  tell(answer, words, () => `${ended} ${ended === 1 ? 'session' : 'sessions'} ended`, terminal)
  if (silentThreads.length === 0) return ExitCode.OK
  terminal.err(`relay threads ${silentThreads.join(', ')} did not answer: their sessions may go on`)
  return ExitCode.FAILED
}

const ROOM_COLUMNS: readonly Column<RoomListing>[] = [
  { title: 'ROOM', text: ({ name }) => name, least: 12 },
  { title: 'CLIENTS', text: ({ clients }) => String(clients.length), isNumber: true },
  {
    title: 'CONNECTED',
    text: ({ clients }) => String(clients.filter(({ socket }) => socket === 'open').length),
    isNumber: true,
  },
  { title: 'AGE', text: ({ ageSeconds }) => duration(ageSeconds), isNumber: true },
  { title: 'IDLE', text: ({ idleSeconds }) => duration(idleSeconds), isNumber: true },
  { title: 'WAITING', text: ({ waitingMessages }) => String(waitingMessages), isNumber: true },
  { title: 'FROM', text: ({ clients }) => [...new Set(clients.map(({ from }) => from))].join(' '), least: 12 },
]

export async function rooms(client: OperatorClient, asked: Asked, terminal: Terminal): Promise<number> {
  const all: RoomListing[] = []
  let cursor: string | null = null
  do {
    const page: RoomPage = await client.get('/v1/rooms', { cursor, limit: 1000 })
    all.push(...page.rooms)
    cursor = page.cursor
  } while (cursor !== null)
  return tell(
    { rooms: all },
    asked,
    () => (all.length === 0 ? 'no rooms' : table(ROOM_COLUMNS, all, terminal)),
    terminal,
  )
}

export async function closeRoom(
  client: OperatorClient,
  room: string,
  asked: Asked & { readonly reason?: string },
  terminal: Terminal,
): Promise<number> {
  const answer = await client.send<{ clients: number }>('POST', '/v1/close-room', { room, reason: asked.reason })
  return tell(answer, asked, ({ clients }) => `room ${plain(room)} is closed; ${clients} clients were in it`, terminal)
}

export async function drain(
  client: OperatorClient,
  asked: Asked & { readonly deadline?: string },
  terminal: Terminal,
): Promise<number> {
  const deadlineSeconds = asked.deadline === undefined ? undefined : secondsOf('--deadline', asked.deadline)
  const answer = await client.send<DrainReport>('POST', '/v1/drain', { deadlineSeconds })
  const words = ({ deadline }: DrainReport) =>
    deadline === null
      ? 'draining: no new calls; those that run go on'
      : `draining: no new calls; those that still run at ${deadline} are ended then`
  return tell(answer, asked, words, terminal)
}

export async function undrain(client: OperatorClient, asked: Asked, terminal: Terminal): Promise<number> {
  return tell(await client.send('POST', '/v1/undrain'), asked, () => 'new calls are welcome again', terminal)
}

export async function reload(client: OperatorClient, asked: Asked, terminal: Terminal): Promise<number> {
  try {
    return tell(await client.send<Good>('POST', '/v1/reload'), asked, reloadedText, terminal)
  } catch (error) {
    if (!(error instanceof OperatorFailure) || error.problems.length === 0) throw error
    if (asked.json) terminal.out(JSON.stringify({ problems: error.problems }, null, 2))
    else
      for (const { file, line, message, fix } of error.problems) {
        const where = file === null ? '' : `${file}${line === null ? '' : `:${line}`}: `
        terminal.err(plain(`${where}${message}${fix === null ? '' : `; ${fix}`}`))
      }
    throw error
  }
}

const CERTIFICATE_TEXTS = {
  new: 'new connections get the new certificate',
  same: 'the certificate is the same as before',
  none: null,
} as const

function reloadedText({ applied, afterRestart, certificate }: Good): string {
  const lines = [
    applied.length > 0 ? `changed: ${applied.join(', ')}` : 'no option has changed',
    afterRestart.length > 0 ? `after a restart: ${afterRestart.join(', ')}` : null,
    CERTIFICATE_TEXTS[certificate],
  ]
  return lines.filter((line) => line !== null).join('\n')
}

type Good = Omit<Extract<ReloadReport, { isGood: true }>, 'isGood'>

export async function logLevel(
  client: OperatorClient,
  level: string | undefined,
  asked: Asked,
  terminal: Terminal,
): Promise<number> {
  const answer =
    level === undefined
      ? await client.get<{ level: LogLevel }>('/v1/log-level')
      : await client.send<{ level: LogLevel }>('PUT', '/v1/log-level', { level })
  return tell(answer, asked, (now) => now.level, terminal)
}

export async function certificates(client: OperatorClient, asked: Asked, terminal: Terminal): Promise<number> {
  const answer = await client.get<{ certificates: readonly CertificateReport[] }>('/v1/certificates')
  const words = () =>
    answer.certificates.length === 0
      ? 'no certificate: nothing is encrypted'
      : answer.certificates.map((each) => certificateLines(each).join('\n')).join('\n\n')
  return tell(answer, asked, words, terminal)
}

function certificateLines({ listeners, ...certificate }: CertificateReport): string[] {
  const { file, names, issuer, isSelfSigned, validFrom, validTo, daysLeft, fingerprint } = certificate
  const line = (name: string, text: string) => `${name.padEnd(16)}${plain(text)}`
  const left = daysLeft < 0 ? 'it is over' : `${daysLeft} days left`
  return [
    line('file', file ?? 'made for this run'),
    line('for', names.join(', ')),
    line('issuer', isSelfSigned ? `itself (${issuer}): browsers do not trust it` : issuer),
    line('valid', `${validFrom} to ${validTo}, ${left}`),
    line('SHA-256', fingerprint),
    ...listeners.map((listener, i) => line(i === 0 ? 'served by' : '', listener)),
  ]
}
