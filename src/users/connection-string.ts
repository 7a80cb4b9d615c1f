/** The other names that coturn takes in connection strings made of `key=value`. */
const ALIASES: Readonly<Record<string, string>> = {
  ip: 'host',
  addr: 'host',
  ipaddr: 'host',
  hostaddr: 'host',
  db: 'dbname',
  database: 'dbname',
  uname: 'user',
  name: 'user',
  username: 'user',
  pwd: 'password',
  passwd: 'password',
  secret: 'password',
  p: 'port',
  timeout: 'connect_timeout',
  ssl: 'tls',
}

/** A connection string that cannot be used; the message holds no value of it, because one is a password. */
export class BadConnectionString extends Error {}

/**
 * Reads `host=db dbname=turn password=…`: blanks between, none around `=`. A value with blanks or quotes stands in single quotes,
 * with \\ before a quote or backslash in it, as libpq has it; coturn's own strings cannot have any. Keys that are not in `known`
 * are refused, so that a mistyped one is found before the first login.
 */
export function readConnectionString(text: string, known: readonly string[]): Readonly<Record<string, string>> {
  const found: Record<string, string> = {}
  // After a blank, what looks like the next pair is the next pair: somebody has left a value out.
  const pair = /\s*([^\s=]+)\s*=(?:\s*'((?:[^'\\]|\\.)*)'|((?!')\S+)|\s+((?!')[^\s=]+)(?=\s|$)|)(?:\s|$)/uy
  for (let rest = text.trimEnd(); pair.lastIndex < rest.length; ) {
    const match = pair.exec(rest)
    if (match === null) throw new BadConnectionString('is not made of key=value')
    const written = match[1]!.toLowerCase()
    const key = known.includes(written) ? written : (ALIASES[written] ?? written)
    if (!known.includes(key)) {
      throw new BadConnectionString(`has "${written}", which is none of ${known.join(', ')}`)
    }
    found[key] = match[2]?.replace(/\\(.)/gu, '$1') ?? match[3] ?? match[4] ?? ''
  }
  return found
}

/** A port, or `otherwise` when it is not given. */
export function portOf(text: string | undefined, otherwise: number): number {
  if (text === undefined || text === '') return otherwise
  const port = Number(text)
  if (!Number.isInteger(port) || port < 1 || port > 65_535) throw new BadConnectionString('has a port that is none')
  return port
}

/** Seconds in milliseconds; what nobody gives is short, because logins wait for it. */
export function timeoutMs(text: string | undefined): number {
  const seconds = Number(text ?? DEFAULT_SECONDS)
  return Number.isFinite(seconds) && seconds > 0 ? seconds * 1000 : DEFAULT_SECONDS * 1000
}

const DEFAULT_SECONDS = 3

/** `yes`, `on`, `true`, `1` and so on, as coturn reads switches. */
export function isOn(text: string | undefined): boolean {
  return text !== undefined && (/^[yt1-9]/i.test(text) || text.toLowerCase() === 'on')
}
