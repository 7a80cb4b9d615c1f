import { useEffect, useRef } from 'preact/hooks'
import type { Call } from './call-parts.ts'
import { pressKey } from './commands.ts'
import { Home } from './home/home.tsx'
import { InCall } from './in-call/in-call.tsx'
import { Outcome } from './outcome.tsx'
import type { PageData } from './page-data.ts'
import { Prejoin } from './prejoin/prejoin.tsx'
import type { Phase } from './session.ts'
import { announcement } from './status.ts'

export function App({ page, call }: { page: PageData; call: Call | null }) {
  return call === null ? <Home /> : <Room page={page} call={call} />
}

function Room({ page, call }: { page: PageData; call: Call }) {
  const { session, media, commands } = call
  useEffect(() => {
    const press = (event: KeyboardEvent) => pressKey(commands, event)
    document.addEventListener('keydown', press)
    return () => document.removeEventListener('keydown', press)
  }, [])
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
