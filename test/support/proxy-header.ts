const SIGNATURE = '0d0a0d0a000d0a515549540a'

/** A PROXY protocol header of version 1, with these words. */
export function proxyV1(words: string): Buffer {
  return Buffer.from(`PROXY ${words}\r\n`)
}

/** One of version 2: its version and command, family and protocol, and what follows them in hex. */
export function proxyV2(command: number, family: number, body: string): Buffer {
  const bytes = Buffer.from(body.replaceAll(' ', ''), 'hex')
  const header = Buffer.from(`${SIGNATURE}00000000`, 'hex')
  header[12] = command
  header[13] = family
  header.writeUInt16BE(bytes.length, 14)
  return Buffer.concat([header, bytes])
}
