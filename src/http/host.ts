/** A Host that is safe to put into URLs we hand out. */
export interface Host {
  /** Lower-case name, IPv4 address, or IPv6 address in brackets. */
  readonly name: string
  readonly port: number | null
  /** name[:port] */
  readonly text: string
}

/** Reads `host[:port]`; null for anything else, so that nothing odd in a header reaches an answer. */
export function parseHost(text: string): Host | null {
  const match = /^(\[[0-9a-f:.]{2,45}\]|[a-z0-9](?:[a-z0-9._-]{0,252}))(?::([0-9]{1,5}))?$/.exec(text.toLowerCase())
  if (!match) return null
  const port = match[2] === undefined ? null : Number(match[2])
  if (port !== null && (port === 0 || port > 65_535)) return null
  const name = match[1]!
  if (!URL.canParse(`http://${name}`)) return null
  return { name, port, text: port === null ? name : `${name}:${port}` }
}
