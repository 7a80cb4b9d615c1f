import type { ReadonlySignal } from '@preact/signals'
import type { Chat } from './chat/chat.ts'
import type { Commands } from './command.ts'
import type { View } from './in-call/view.ts'
import type { LocalMedia } from './media/media.ts'
import type { Myself } from './people/myself.ts'
import type { Reactions } from './people/reactions.ts'
import type { Session } from './session.ts'

/** What a page with a room works with. */
export interface CallParts {
  readonly session: Session
  readonly media: LocalMedia
  readonly myself: Myself
  readonly chat: Chat
  readonly reactions: Reactions
  readonly view: View
  /** How long the call lasts, in digits. */
  readonly length: ReadonlySignal<string>
}

/** The same, with all that a person can do about it. */
export interface Call extends CallParts {
  readonly commands: Commands
  /** Joins here, and ends the call of another tab. */
  takeOver(): Promise<void>
}
