/** The text that every AppRTC client understands as "the other side hung up". */
export const BYE = '{"type":"bye"}'

/** Whether a relayed text is a bye, in whatever spelling of JSON. */
export function isBye(text: string): boolean {
  // Cheap and exact: without its letters and without an escape no JSON says bye.
  if (!/bye|\\u/.test(text)) return false
  try {
    const message: unknown = JSON.parse(text)
    return typeof message === 'object' && message !== null && 'type' in message && message.type === 'bye'
  } catch {
    return false
  }
}
