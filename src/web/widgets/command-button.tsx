import './command-button.css'
import type { Command } from '../command.ts'
import { t } from '../text/i18n.ts'
import { Icon } from './icons.tsx'

/** One of the round buttons of a call: does a command. Disabled rather than gone, so that buttons don't jump. */
export function CommandButton({ command, expanded }: { command: Command; expanded?: boolean }) {
  if (!command.possible) return null
  const label = t(command.label())
  const tone = command.tone?.()
  const [key] = command.keys
  const count = command.count?.() ?? 0
  return (
    <button
      type="button"
      class={tone === undefined ? 'round' : `round round-${tone}`}
      title={key === undefined ? label : `${label} (${key.toUpperCase()})`}
      aria-label={count > 0 ? t('withNews', { label, count }) : label}
      aria-keyshortcuts={key}
      aria-expanded={expanded}
      disabled={!command.enabled()}
      onClick={() => command.run()}
    >
      <Icon name={command.icon()} />
      {count > 0 && <span class="badge">{count > 99 ? '99+' : count}</span>}
    </button>
  )
}
