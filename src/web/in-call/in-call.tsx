import './in-call.css'
import '../chat/chat.css'
import '../options/options.css'
import '../small-window/small-window.css'
import '../statistics/statistics.css'
import '../widgets/panel.css'
import { useEffect } from 'preact/hooks'
import type { Call } from '../call-parts.ts'
import { ReactionBar } from '../people/reaction-bar.tsx'
import { phaseText, qualityWords } from '../status.ts'
import { t } from '../text/i18n.ts'
import { Header } from '../widgets/header.tsx'
import { later } from '../widgets/later.tsx'
import { Controls } from './controls.tsx'
import { Menu } from './menu.tsx'
import { Stage } from './stage.tsx'
import type { PanelName } from './view.ts'

const panels = {
  chat: later(() => import('../chat/chat-panel.tsx').then((part) => part.ChatPanel)),
  options: later(() => import('../options/options-panel.tsx').then((part) => part.OptionsPanel)),
  statistics: later(() => import('../statistics/statistics-panel.tsx').then((part) => part.StatisticsPanel)),
  shortcuts: later(() => import('../shortcuts/shortcuts-panel.tsx').then((part) => part.ShortcutsPanel)),
} satisfies Record<PanelName, unknown>

/** Soon after the call has begun: its panels must open while the server is away, too. */
const preloadMs = 3000

/** The call: everybody's picture, a panel beside them when one is wanted, the buttons below. */
export function InCall(call: Call) {
  const { session, commands, view } = call
  const Panel = view.panel.value === null ? null : panels[view.panel.value]
  useEffect(() => {
    const timer = setTimeout(() => {
      for (const panel of Object.values(panels)) panel.preload()
    }, preloadMs)
    return () => clearTimeout(timer)
  }, [])
  return (
    <div class="call">
      <Header>
        <StateChip {...call} />
      </Header>
      <main class="call-main">
        <h1 class="sr-only" tabIndex={-1}>
          {t('room')} {session.room}
        </h1>
        <div class="call-body">
          <Stage {...call} />
          {Panel !== null && <Panel key={view.panel.value} {...call} />}
          {view.menu.value && <Menu commands={commands} view={view} />}
          {view.reacting.value && <ReactionBar {...call} />}
        </div>
        <Controls {...call} />
      </main>
    </div>
  )
}

/** Where we stand, in a few words; once connected, how media travels and for how long. Opens the statistics. */
function StateChip({ session, view, length }: Call) {
  const link = session.link.value
  const path = link?.sample.value?.path ?? null
  const connected = session.phase.value === 'connected'
  const text = phaseText(session)
  const quality = connected && link !== null ? link.quality.value : null
  const hints = [
    connected && path !== null ? t(path.kind === 'direct' ? 'directHint' : 'relayHint') : '',
    quality === null ? '' : t(qualityWords[quality]),
  ]
  return (
    <button
      type="button"
      class={`chip chip-${quality ?? 'pending'}`}
      title={hints.join(' ').trim()}
      aria-expanded={view.panel.value === 'statistics'}
      onClick={() => view.toggle('statistics')}
    >
      <span class="chip-dot" />
      <span>{text}</span>
      {length.value !== '' && (
        // Another one beside each text, so that none slides along.
        <span key={text} class="chip-time">
          {length.value}
        </span>
      )}
    </button>
  )
}
