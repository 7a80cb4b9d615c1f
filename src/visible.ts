/**
 * The same text with nothing in it that steers a terminal or that nobody sees: C1, bidi controls, line separators and the like are
 * escaped as JSON would. It leaves C0 alone, which whoever makes JSON has escaped already.
 */
export function visible(text: string): string {
  return text.replace(INVISIBLE, (characters) =>
    characters.replace(/[\s\S]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`),
  )
}

const INVISIBLE = /[\x7f-\x9f\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/gu
