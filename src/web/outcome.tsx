import { useEffect } from 'preact/hooks'
import type { Call } from './call-parts.ts'
import { roomIsFull } from './page-data.ts'
import type { Session } from './session.ts'
import { t } from './text/i18n.ts'
import { Header } from './widgets/header.tsx'

const lookAgainMs = 5000

/** Why there is no call: it ended, the room is full, or the server does not answer. Always with the way on. */
export function Outcome({ session, length, takeOver }: Call) {
  const phase = session.phase.value
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
  const { title, text, act, away } = words(session)
  return (
    <>
      <Header />
      <main class="outcome">
        <p class="room-line">
          {t('room')} <strong>{session.room}</strong>
        </p>
        <h1 tabIndex={-1}>{title}</h1>
        <p class="lead">{text}</p>
        {phase === 'ended' && length.value !== '' && <p class="room-line">{t('lasted', { length: length.value })}</p>}
        <div class="outcome-buttons">
          <button
            type="button"
            class="button button-primary"
            onClick={() => void (phase === 'elsewhere' ? takeOver() : session.join())}
          >
            {act}
          </button>
          <a class="button" href={`/${location.search}`}>
            {away}
          </a>
        </div>
      </main>
    </>
  )
}

function words({ phase, detail, room }: Session) {
  const reason = detail.value
  switch (phase.value) {
    case 'full':
      return { title: t('full'), text: t('fullHint', { room }), act: t('tryAgain'), away: t('otherRoom') }
    case 'elsewhere':
      return { title: t('elsewhere'), text: t('elsewhereHint'), act: t('takeOver'), away: t('otherRoom') }
    case 'unreachable':
      return {
        title: t('unreachable'),
        text: t('unreachableHint', { address: reason }),
        act: t('tryAgain'),
        away: t('home'),
      }
    case 'refused':
      return {
        title: t('refusedByServer'),
        text: t('refusedByServerHint', { reason }),
        act: t('tryAgain'),
        away: t('home'),
      }
    default:
      return { title: t('ended'), text: t('endedHint'), act: t('rejoin'), away: t('home') }
  }
}
