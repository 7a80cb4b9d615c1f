import { useEffect } from 'preact/hooks'
import { roomIsFull } from './page-data.ts'
import type { Session } from './session.ts'
import { t } from './text/i18n.ts'
import { Header } from './widgets/header.tsx'

const lookAgainMs = 5000

/** Why there is no call: it ended, the room is full, or the server does not answer. Always with the way on. */
export function Outcome({ session }: { session: Session }) {
  const phase = session.phase.value
  const detail = session.detail.value
  useEffect(() => {
    if (phase !== 'full') return
    const timer = setInterval(async () => {
      if (document.hidden) return
      // Offline is as good as full: there is nothing to join, and the next look comes soon.
      const full = await roomIsFull().catch(() => true)
      if (!full) session.offerToJoin()
    }, lookAgainMs)
    return () => clearInterval(timer)
  }, [phase])
  const [title, text] =
    phase === 'full'
      ? [t('full'), t('fullHint', { room: session.room })]
      : phase === 'unreachable'
        ? [t('unreachable'), t('unreachableHint', { address: detail })]
        : phase === 'refused'
          ? [t('refusedByServer'), t('refusedByServerHint', { reason: detail })]
          : [t('ended'), t('endedHint')]
  return (
    <>
      <Header />
      <main class="outcome">
        <p class="room-line">
          {t('room')} <strong>{session.room}</strong>
        </p>
        <h1 tabIndex={-1}>{title}</h1>
        <p class="lead">{text}</p>
        <div class="outcome-buttons">
          <button type="button" class="button button-primary" onClick={() => void session.join()}>
            {t(phase === 'ended' ? 'rejoin' : 'tryAgain')}
          </button>
          <a class="button" href={`/${location.search}`}>
            {t(phase === 'full' ? 'otherRoom' : 'home')}
          </a>
        </div>
      </main>
    </>
  )
}
