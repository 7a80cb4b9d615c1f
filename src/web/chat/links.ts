/** A piece of a message: plain text, or a link when it has an address. */
export interface Piece {
  readonly text: string
  readonly href?: string
}

/** Ends before quotes, brackets of markup, and the marks of Chinese sentences, which stand directly behind a link. */
const address = /\bhttps?:\/\/[^\s<>"“”‘’「」『』《》（），。；：！？、]+/gi
/** What ends a sentence and not an address. */
const tail = /[.,;:!?'*_~)\]}]+$/

/** Finds the links in a message. Only http and https, so that none runs a script; everything else stays text. */
export function pieces(message: string): Piece[] {
  const found: Piece[] = []
  let end = 0
  for (const match of message.matchAll(address)) {
    const text = withoutTail(match[0])
    if (!URL.canParse(text)) continue
    if (match.index > end) found.push({ text: message.slice(end, match.index) })
    found.push({ text, href: new URL(text).href })
    end = match.index + text.length
  }
  if (end < message.length) found.push({ text: message.slice(end) })
  return found
}

/** A closing bracket belongs to the address when it was opened there, as in Wikipedia's. */
function withoutTail(text: string): string {
  const cut = text.replace(tail, '')
  const next = text.charAt(cut.length)
  const opened = (bracket: string) => cut.split(bracket).length - 1
  return next === ')' && opened('(') > opened(')') ? `${cut})` : cut
}
