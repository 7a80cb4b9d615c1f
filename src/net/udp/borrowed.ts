// dgram gives each datagram memory of its own, so whoever sends (parts of) the datagram in hand may keep it without a
// copy. Everything else that the core hands out lies in a buffer that is used again before a queued send is over.
let inHand: Buffer | null = null

/** Says that `bytes` is delivered now and that its memory is never used again afterwards. */
export function lend(bytes: Buffer | null): void {
  inHand = bytes
}

/** `bytes.subarray(start, end)` for a send that ends later: the same memory where that is safe, otherwise a copy. */
export function keep(bytes: Buffer, start: number, end: number): Buffer {
  if (bytes === inHand) return bytes.subarray(start, end)
  const copy = Buffer.allocUnsafe(end - start)
  bytes.copy(copy, 0, start, end)
  return copy
}

/** The same with zeros behind it up to a multiple of 4, as ChannelData has it on streams (RFC 8656 §12.5). */
export function keepPadded(bytes: Buffer, start: number, end: number): Buffer {
  const padding = (4 - ((end - start) % 4)) % 4
  if (bytes === inHand && end + padding <= bytes.length) {
    bytes.fill(0, end, end + padding)
    return bytes.subarray(start, end + padding)
  }
  const copy = Buffer.allocUnsafe(end - start + padding)
  bytes.copy(copy, 0, start, end)
  copy.fill(0, end - start)
  return copy
}
