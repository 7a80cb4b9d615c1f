/**
 * This page says in its descriptions that it is this page: by an attribute of the session that every other client ignores
 * (RFC 8866 §5.13). Its value counts the offers of a connection, and an answer has the number of its offer. Only who said it
 * too is told what phone apps don't know.
 */
const attribute = 'x-webrtc-stack'

/** The description with the announcement in it. */
export function announce(sdp: string, offer: number): string {
  return sdp.replace(/^m=/m, `a=${attribute}:${offer}\r\nm=`)
}

/** Which offer a description of this page is, or answers; null when another program made it. */
export function announced(sdp: string): number | null {
  const found = new RegExp(`^a=${attribute}:(\\d+)\\s*$`, 'm').exec(sdp)
  return found === null ? null : Number(found[1])
}
