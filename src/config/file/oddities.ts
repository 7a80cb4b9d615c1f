/** Whether a host or address is what a template left to be replaced: `$(detect-ip)`, `${IP}`, `<your ip>`, `AUTO_DETECT`, `x.x.x.x`. */
export function isPlaceholder(host: string): boolean {
  return (
    /[$<>{}`]|^%.*%$/.test(host) ||
    /(^|\.)x{1,3}(\.|$)/i.test(host) ||
    /^[A-Z0-9]*_[A-Z0-9_]*$/.test(host) ||
    /^(your|my|public|external|change|replace|insert)[-_ ][^.]*$/i.test(host)
  )
}

/** Whether a secret is one that a guide prints for everybody. */
export function isPublishedSecret(secret: string): boolean {
  return /^<.+>$|^\W*(your|my|change|replace|insert|enter|some|super|very|long)[-_ ]?.*(secret|password|key|me|this|here|random)\W*$/i.test(
    secret,
  )
}

/** What catches the eye in a free text that is used as it is, as coturn does; the remarks do not repeat it. */
export function odditiesOf(text: string, isFromFile: boolean): string[] {
  const found: string[] = []
  if (isFromFile && /[ \t]#/.test(text))
    found.push('the text from "#" on is part of the value; comments belong on lines of their own')
  if (/^[“”„‟‘’«»]|[“”„‟‘’«»]$/.test(text)) found.push('the typographic quotes are part of the value; write " or none')
  else if (/^'.*'$/.test(text)) found.push('the single quotes are part of the value; write " or none')
  if (/^\$[({A-Z_]|^\{\{.*\}\}$|^<[^<>]+>$/.test(text)) found.push('is a placeholder that nobody filled in')
  return found
}
