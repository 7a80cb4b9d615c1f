import type { TextKey } from './text/en.ts'
import type { IconName } from './widgets/icons.tsx'

/** Something a person can do, by a button or a key. The functions read signals, so that buttons follow. */
export interface Command {
  /** The first is announced; the others are AppRTC's for the same act. The first command that can use a key gets it. */
  readonly keys: readonly string[]
  icon(): IconName
  label(): TextKey
  tone?(): 'off' | 'active' | 'danger' | undefined
  /** How many new things wait behind it. */
  count?(): number
  /** Whether this browser can do it at all; what it can't has no button. */
  readonly possible: boolean
  /** Whether it makes sense at this moment. */
  enabled(): boolean
  run(): void
  /** The key is let go again. */
  release?(): void
}

type CommandName =
  | 'talk'
  | 'mute'
  | 'camera'
  | 'screen'
  | 'chat'
  | 'react'
  | 'hand'
  | 'more'
  | 'options'
  | 'statistics'
  | 'shortcuts'
  | 'fill'
  | 'swap'
  | 'hideSelf'
  | 'moveSelf'
  | 'pictureInPicture'
  | 'fullScreen'
  | 'copyLink'
  | 'hangUp'
/** Every command by its name. */
export type Commands = Readonly<Record<CommandName, Command>>
