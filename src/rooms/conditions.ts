import type { RoomRules } from './options.ts'
import type { Amounts } from './source-shares.ts'

/** What a step goes by besides the room and the command: plain JSON, too. */
export interface Conditions {
  /** By the clock that the room's times are of, in milliseconds. */
  readonly now: number
  readonly rules: RoomRules
  /** Whether there may be one more room, and whoever gives the command may have it; where it needs none nobody looks at this. */
  readonly mayOpen: boolean
  /** Another Collider has the sockets, and gets the texts. */
  readonly forwards: boolean
  /** Until then who has a call here gets its place back, whoever came in since the server's start; null is never. */
  readonly restoresUntil: number | null
  /** Memory for undelivered texts: what all have of it, and at least the sources of this room and of the command. */
  readonly waiting: Amounts
}
