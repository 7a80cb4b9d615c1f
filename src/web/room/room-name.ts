import { settings } from '../settings.ts'

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

const kept = 10

/** The rooms this browser has been in, newest first, each once. */
export function recentRooms(): string[] {
  return settings.get('recentRooms').filter(isRoomName).slice(0, kept)
}

/** Puts a room at the top of the list. */
export function rememberRoom(name: string): void {
  if (!isRoomName(name)) return
  const others = recentRooms().filter((known) => known !== name)
  settings.set('recentRooms', [name, ...others].slice(0, kept))
}

/** Empties the list. */
export function forgetRooms(): void {
  settings.set('recentRooms', [])
}
