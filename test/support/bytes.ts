/** Reads hex; white space between the digits is for the reader. */
export function fromHex(hex: string): Buffer {
  const digits = hex.replaceAll(/\s/g, '')
  const bytes = Buffer.from(digits, 'hex')
  if (bytes.length * 2 !== digits.length) throw new Error(`not hex: ${hex}`)
  return bytes
}
