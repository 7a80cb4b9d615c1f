/**
 * The forms in which clients put a name or password into a long-term key: as typed (browsers prepare nothing),
 * OpaqueString (RFC 8265 §4.2, what RFC 8489 asks for) and SASLprep (RFC 4013, what RFC 5389 asked for). One for ASCII.
 */
export function preparedForms(text: string): readonly string[] {
  if (/^[ -~]*$/.test(text)) return [text]
  return [...new Set([text, opaqueString(text), saslprep(text)])]
}

/** RFC 8265 §4.2: every space is U+0020, then NFC. Nothing else is mapped. */
export function opaqueString(text: string): string {
  return text.replace(/\p{Zs}/gu, ' ').normalize('NFC')
}

/** RFC 4013 §2.1–2.2: every space is U+0020, what usually has no shape goes, then NFKC. */
export function saslprep(text: string): string {
  return text
    .replace(/[\u00a0\u1680\u2000-\u200b\u202f\u205f\u3000]/g, ' ')
    .replace(MAPPED_TO_NOTHING, '')
    .normalize('NFKC')
}

/** Whether `text` has control characters, which no name of ours may hold. */
export function hasControls(text: string): boolean {
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i)
    if (code < 0x20 || (code >= 0x7f && code <= 0x9f)) return true
  }
  return false
}

/** RFC 3454 table B.1. */
const MAPPED_TO_NOTHING = /\u00ad|\u034f|\u1806|[\u180b-\u180d]|\u200c|\u200d|\u2060|[\ufe00-\ufe0f]|\ufeff/g
