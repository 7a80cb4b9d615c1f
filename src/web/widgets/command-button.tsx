import './command-button.css'
import type { Command } from '../commands.ts'
import { t } from '../text/i18n.ts'
import { Icon } from './icons.tsx'

/** One of the round buttons of a call: does a command. Disabled rather than gone, so that buttons don't jump. */
export function CommandButton({ command }: { command: Command }) {
  if (!command.possible) return null
  const label = t(command.label())
  const tone = command.tone?.()
  const [key] = command.keys
  return (
    <button
      type="button"
      class={tone === undefined ? 'round' : `round round-${tone}`}
      title={`${label} (${key!.toUpperCase()})`}
      aria-label={label}
      aria-keyshortcuts={key}
      disabled={!command.enabled()}
      onClick={() => command.run()}
    >
      <Icon name={command.icon()} />
    </button>
  )
}
