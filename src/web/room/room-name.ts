/** What the room box accepts: AppRTC's characters, at least five of them. */
export function isRoomName(name: string): boolean {
  return /^[A-Za-z0-9_-]{5,256}$/.test(name)
}

/** Nine random digits: easy to read out and to type on a phone. */
export function randomRoomName(length = 9): string {
  let digits = ''
  while (digits.length < length) {
    // 250 is the largest multiple of ten in a byte; what lies above it would favour small digits.
    for (const byte of crypto.getRandomValues(new Uint8Array(length))) if (byte < 250) digits += byte % 10
  }
  return digits.slice(0, length)
}

const key = 'recent-rooms'
const kept = 10

/** The rooms this browser has been in, newest first, each once. */
export function recentRooms(storage: Pick<Storage, 'getItem'>): string[] {
  try {
    const list: unknown = JSON.parse(storage.getItem(key) ?? '[]')
    return Array.isArray(list) ? list.filter((name) => typeof name === 'string' && isRoomName(name)).slice(0, kept) : []
  } catch {
    // Another version's or another program's entry: as good as none.
    return []
  }
}

/** Puts a room at the top of the list. */
export function rememberRoom(storage: Pick<Storage, 'getItem' | 'setItem'>, name: string): void {
  if (!isRoomName(name)) return
  const others = recentRooms(storage).filter((known) => known !== name)
  storage.setItem(key, JSON.stringify([name, ...others].slice(0, kept)))
}

/** Empties the list. */
export function forgetRooms(storage: Pick<Storage, 'removeItem'>): void {
  storage.removeItem(key)
}
