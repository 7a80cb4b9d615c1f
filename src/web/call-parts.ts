import type { Commands } from './commands.ts'
import type { LocalMedia } from './media/media.ts'
import type { Session } from './session.ts'

/** What a page with a room works with. */
export interface Call {
  readonly session: Session
  readonly media: LocalMedia
  readonly commands: Commands
  /** Joins here, and ends the call of another tab. */
  takeOver(): Promise<void>
}
