import { useEffect, useRef } from 'preact/hooks'
import { Home } from './home/home.tsx'
import { InCall } from './in-call/in-call.tsx'
import type { LocalMedia } from './media/media.ts'
import { Outcome } from './outcome.tsx'
import type { PageData } from './page-data.ts'
import { Prejoin } from './prejoin/prejoin.tsx'
import type { Phase, Session } from './session.ts'
import { announcement } from './status.ts'

/** What a page with a room works with. */
export interface Call {
  readonly session: Session
  readonly media: LocalMedia
}

export function App({ page, call }: { page: PageData; call: Call | null }) {
  return call === null ? <Home /> : <Room page={page} call={call} />
}

function Room({ page, call: { session, media } }: { page: PageData; call: Call }) {
  useEffect(() => {
    document.addEventListener('keydown', pressShortcut)
    return () => document.removeEventListener('keydown', pressShortcut)
  }, [])
  return (
    <>
      <p class="sr-only" role="status">
        {announcement(session, media)}
      </p>
      <Screen page={page} session={session} media={media} />
    </>
  )
}

function Screen({ page, session, media }: { page: PageData } & Call) {
  const phase = session.phase.value
  const screen = screens[phase]
  const shown = useRef(screen)
  useEffect(() => {
    // The button that was pressed is gone; without this, keyboard and screen reader would start over at the top.
    if (shown.current !== screen) document.querySelector('h1')?.focus()
    shown.current = screen
  }, [screen])
  if (screen === 'before') return <Prejoin page={page} session={session} media={media} />
  return screen === 'call' ? <InCall session={session} media={media} /> : <Outcome session={session} />
}

const screens: Readonly<Record<Phase, 'before' | 'call' | 'outcome'>> = {
  idle: 'before',
  joining: 'before',
  waiting: 'call',
  connecting: 'call',
  connected: 'call',
  reconnecting: 'call',
  full: 'outcome',
  unreachable: 'outcome',
  refused: 'outcome',
  ended: 'outcome',
}

/** A shortcut presses the button that announces it, so both always do the same. */
function pressShortcut(event: KeyboardEvent): void {
  if (event.ctrlKey || event.altKey || event.metaKey || event.repeat || !/^[a-z]$/i.test(event.key)) return
  if (event.target instanceof Element && event.target.closest('input, select, textarea') !== null) return
  const button = document.querySelector<HTMLButtonElement>(`button[aria-keyshortcuts="${event.key.toLowerCase()}"]`)
  if (button === null) return
  event.preventDefault()
  button.click()
}
