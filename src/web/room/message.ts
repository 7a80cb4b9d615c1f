/** What two AppRTC clients say to each other; the server relays it unread. */
export type Message =
  | { readonly type: 'offer' | 'answer'; readonly sdp: string }
  | { readonly type: 'candidate'; readonly label: number; readonly id: string; readonly candidate: string }
  | { readonly type: 'bye' }
  /** Asks for an offer with a new path; goes only to another such page, because phone apps end the call at an unknown type. */
  | { readonly type: 'restart' }

/** Reads a relayed text. Null for whatever this page doesn't know, such as the phone apps' `remove-candidates`. */
export function parseMessage(text: string): Message | null {
  let json: unknown
  try {
    json = JSON.parse(text)
  } catch {
    return null
  }
  if (typeof json !== 'object' || json === null) return null
  const { type, sdp, label, id, candidate } = json as Record<string, unknown>
  if (type === 'bye' || type === 'restart') return { type }
  if (type === 'offer' || type === 'answer') return typeof sdp === 'string' ? { type, sdp } : null
  if (type !== 'candidate' || typeof candidate !== 'string') return null
  return {
    type,
    candidate,
    label: typeof label === 'number' ? label : 0,
    id: typeof id === 'string' ? id : '',
  }
}
