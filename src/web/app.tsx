import { useEffect } from 'preact/hooks'
import { Home } from './home.tsx'
import { InCall } from './in-call.tsx'
import type { LocalMedia } from './media.ts'
import { Outcome } from './outcome.tsx'
import type { PageData } from './page-data.ts'
import { Prejoin } from './prejoin.tsx'
import type { Session } from './session.ts'
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
  switch (session.phase.value) {
    case 'idle':
    case 'joining':
      return <Prejoin page={page} session={session} media={media} />
    case 'waiting':
    case 'connecting':
    case 'connected':
    case 'reconnecting':
      return <InCall session={session} media={media} />
    case 'full':
    case 'unreachable':
    case 'refused':
    case 'ended':
      return <Outcome session={session} />
  }
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
