import './reactions.css'
import { useLayoutEffect, useRef } from 'preact/hooks'
import type { Call } from '../call-parts.ts'
import { reactions } from '../link/talk.ts'
import { t } from '../text/i18n.ts'
import { CommandButton } from '../widgets/command-button.tsx'
import { reactionWords } from './reaction-words.ts'

/** The hand, and one button for each reaction; their keys are the digits. */
export function ReactionBar({ commands, reactions: sent, view }: Call) {
  const bar = useRef<HTMLDivElement>(null)
  const close = () => {
    view.reacting.value = false
  }
  useLayoutEffect(() => {
    const before = document.activeElement
    bar.current!.querySelector('button')?.focus()
    return () => {
      if (before instanceof HTMLElement && before.isConnected) before.focus()
    }
  }, [])
  return (
    <div
      ref={bar}
      class="reaction-bar"
      role="toolbar"
      aria-label={t('reactions')}
      onKeyDown={(event) => {
        if (event.key === 'Escape') return close()
        const reaction = reactions[Number(event.key) - 1]
        if (reaction !== undefined) sent.react(reaction)
      }}
    >
      <CommandButton command={commands.hand} />
      {reactions.map((reaction, index) => (
        <button
          key={reaction}
          type="button"
          class="round reaction"
          aria-label={t(reactionWords[reaction])}
          title={`${t(reactionWords[reaction])} (${index + 1})`}
          onClick={() => sent.react(reaction)}
        >
          <span aria-hidden="true">{reaction}</span>
        </button>
      ))}
    </div>
  )
}
