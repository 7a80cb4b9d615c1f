import './tile.css'
import type { ComponentChildren } from 'preact'
import { t } from '../text/i18n.ts'
import { Icon } from '../widgets/icons.tsx'

interface TileProps {
  /** Where it stands and what it looks like. */
  readonly class: string
  readonly name: string
  readonly muted: boolean
  readonly hand: boolean
  readonly reactions: readonly { readonly id: number; readonly reaction: string }[]
  readonly children: ComponentChildren
}

/** One person of the call: their picture, or what stands for it, and how they are. */
export function Tile({ class: className, name, muted, hand, reactions, children }: TileProps) {
  return (
    <div class={`tile ${className}`}>
      {children}
      <div class="tile-signs">
        {hand && (
          <span class="tile-sign tile-hand">
            <Icon name="hand" />
            <span class="sr-only">{t('handIsUp')}</span>
          </span>
        )}
        {(name !== '' || muted) && (
          <span class="tile-sign">
            {muted && (
              <>
                <Icon name="microphoneOff" />
                <span class="sr-only">{t('isMuted')}</span>
              </>
            )}
            {name !== '' && <bdi>{name}</bdi>}
          </span>
        )}
      </div>
      {/* Seen by the sender, and told to whoever reads the screen by ear elsewhere. */}
      <div class="reactions-shown" aria-hidden="true">
        {reactions.map(({ id, reaction }) => (
          <span key={id}>{reaction}</span>
        ))}
      </div>
    </div>
  )
}
