import './menu.css'
import { useLayoutEffect, useRef } from 'preact/hooks'
import type { Command, Commands } from '../command.ts'
import { t } from '../text/i18n.ts'
import { Icon } from '../widgets/icons.tsx'
import type { View } from './view.ts'

/** The commands that have no round button, with their keys. */
export function Menu({ commands, view }: { commands: Commands; view: View }) {
  const list = useRef<HTMLDivElement>(null)
  const close = () => {
    view.menu.value = false
  }
  useLayoutEffect(() => {
    const before = document.activeElement
    list.current!.querySelector<HTMLButtonElement>('button:not(:disabled)')?.focus()
    const outside = ({ target }: Event) => {
      // The button that opens it closes it, too.
      if (target instanceof Element && target.closest('.menu, [aria-expanded]') === null) close()
    }
    document.addEventListener('pointerdown', outside)
    return () => {
      document.removeEventListener('pointerdown', outside)
      if (before instanceof HTMLElement && before.isConnected) before.focus()
    }
  }, [])
  return (
    <div
      ref={list}
      id="menu"
      class="menu"
      role="toolbar"
      aria-orientation="vertical"
      aria-label={t('more')}
      onKeyDown={(event) => {
        if (event.key === 'Escape') close()
        const step = { ArrowDown: 1, ArrowUp: -1 }[event.key]
        if (step === undefined) return
        event.preventDefault()
        const items = [...list.current!.querySelectorAll<HTMLButtonElement>('button:not(:disabled)')]
        const at = items.indexOf(document.activeElement as HTMLButtonElement)
        items[(at + step + items.length) % items.length]?.focus()
      }}
    >
      {[
        commands.options,
        commands.statistics,
        commands.shortcuts,
        commands.fill,
        commands.swap,
        commands.moveSelf,
        commands.hideSelf,
        commands.pictureInPicture,
        commands.fullScreen,
        commands.copyLink,
      ].map((command) => (
        <Item key={command.keys[0]} command={command} done={close} />
      ))}
    </div>
  )
}

function Item({ command, done }: { command: Command; done: () => void }) {
  if (!command.possible) return null
  const [key] = command.keys
  return (
    <button
      type="button"
      disabled={!command.enabled()}
      aria-keyshortcuts={key}
      onClick={() => {
        command.run()
        done()
      }}
    >
      <Icon name={command.icon()} />
      <span>{t(command.label())}</span>
      {key !== undefined && (
        <span class="key" aria-hidden="true">
          {key.toUpperCase()}
        </span>
      )}
    </button>
  )
}
