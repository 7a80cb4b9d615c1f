/** One line of a configuration file that sets something. */
export interface Line {
  readonly number: number
  readonly name: string
  /** Null when the line is a bare name. */
  readonly value: string | null
  /** The name has a `=` behind it. */
  readonly assigns: boolean
  /** The line ends in `;`, which stays in the value, as it does in coturn. */
  readonly endsInSemicolon: boolean
}

/** Splits a file in coturn's syntax; what the names and values mean is not its business. */
export function parseLines(text: string): Line[] {
  return text.split('\n').flatMap((raw, index) => parseLine(raw, index + 1) ?? [])
}

function parseLine(raw: string, number: number): Line | null {
  const line = (number === 1 ? raw.replace(/^\uFEFF/, '') : raw).replace(/^[ \t]+/, '').trimEnd()
  if (line === '' || line.startsWith('#')) return null
  const nameEnd = line.search(/[ \t=]/)
  const endsInSemicolon = line.endsWith(';')
  if (nameEnd === -1) return { number, name: line, value: null, assigns: false, endsInSemicolon }
  const value = line.slice(nameEnd).replace(/^[ \t=]+/, '')
  return {
    number,
    name: line.slice(0, nameEnd),
    value: value === '' && !line.includes('=') ? null : unquote(value),
    assigns: /^[ \t]*=/.test(line.slice(nameEnd)),
    endsInSemicolon,
  }
}

/** Only a leading double quote makes a quoted value; there are no escapes and no single quotes. */
function unquote(value: string): string {
  return value.startsWith('"') ? value.slice(1).trimEnd().replace(/"$/, '') : value
}
