import type { AmountLimits } from './source-shares.ts'

/** What the rules of a room go by. A limit of 0 is no limit, a time of 0 never ends. */
export interface RoomRules {
  /** `room-capacity`: places in a room. Clients of AppRTC know exactly two. */
  readonly capacity: number
  /** `room-grace-seconds`: how long a member whose socket went away keeps its place. */
  readonly graceSeconds: number
  /** `room-register-timeout-seconds`: how long a member may hold a place without ever having had a socket. */
  readonly registerTimeoutSeconds: number
  /** `room-expiration-seconds`: an untouched room is dropped (ROOM_MEMCACHE_EXPIRATION_SEC). */
  readonly expirationSeconds: number
  /** `max-room-messages`: undelivered messages of one room. */
  readonly maxMessages: number
  /** `max-room-bytes`: undelivered text of one room, as UTF-8. */
  readonly maxBytes: number
}

/** Limits and times of rooms. */
export interface RoomsOptions {
  readonly rules: RoomRules
  /** `max-rooms`, `max-rooms-per-address` */
  readonly rooms: AmountLimits
  /** `max-waiting-bytes`, `max-waiting-bytes-per-address`: memory for undelivered texts of all rooms. */
  readonly waitingBytes: AmountLimits
}
