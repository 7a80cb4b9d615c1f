import { useEffect, useRef } from 'preact/hooks'
import type { Call } from './call-parts.ts'
import { InCall } from './in-call/in-call.tsx'
import { listenForKeys } from './keys.ts'
import { Outcome } from './outcome.tsx'
import type { PageData } from './page-data.ts'
import { Prejoin } from './prejoin/prejoin.tsx'
import type { Phase } from './session.ts'
import { announcement } from './status.ts'

/** The page of a room: before, in and after the call. */
export function App({ page, call }: { page: PageData; call: Call }) {
  const { session, media, commands } = call
  useEffect(() => listenForKeys(commands), [])
  return (
    <>
      <p class="sr-only" role="status">
        {announcement(session, media)}
      </p>
      <Screen page={page} {...call} />
    </>
  )
}

function Screen({ page, ...call }: { page: PageData } & Call) {
  const { session } = call
  const phase = session.phase.value
  const screen = screens[phase]
  const shown = useRef(screen)
  useEffect(() => {
    // The button that was pressed is gone; without this, keyboard and screen reader would start over at the top.
    if (shown.current !== screen) document.querySelector('h1')?.focus()
    shown.current = screen
  }, [screen])
  if (screen === 'before') return <Prejoin page={page} {...call} />
  return screen === 'call' ? <InCall {...call} /> : <Outcome {...call} />
}

const screens: Readonly<Record<Phase, 'before' | 'call' | 'outcome'>> = {
  idle: 'before',
  joining: 'before',
  waiting: 'call',
  connecting: 'call',
  connected: 'call',
  reconnecting: 'call',
  full: 'outcome',
  elsewhere: 'outcome',
  unreachable: 'outcome',
  refused: 'outcome',
  ended: 'outcome',
}
