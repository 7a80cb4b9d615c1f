import type { Quality } from './link/quality.ts'
import type { Path } from './link/stats.ts'
import type { LocalMedia } from './media/media.ts'
import type { Happening } from './people/comings.ts'
import type { Session } from './session.ts'
import type { TextKey } from './text/en.ts'
import { t } from './text/i18n.ts'

/** Where the call stands, in a few words. */
export function phaseText(session: Session): string {
  switch (session.phase.value) {
    case 'idle':
      return t('readyToJoin')
    case 'joining':
      return t('joining')
    case 'waiting':
      return t('waiting')
    case 'connecting':
      return t('connecting')
    case 'connected':
      return connectedText(session)
    case 'reconnecting':
      return t('reconnecting')
    case 'full':
      return t('full')
    case 'elsewhere':
      return t('elsewhere')
    case 'unreachable':
      return t('unreachable')
    case 'refused':
      return t('refusedByServer')
    case 'ended':
      return t('ended')
  }
}

/** What a screen reader is told whenever it changes. */
export function announcement(session: Session, media: LocalMedia): string {
  const phase = session.phase.value
  if (phase === 'idle') return media.status.value === 'ready' ? '' : t(media.status.value)
  const left = phase === 'waiting' && session.peerLeft.value ? `${t('peerLeft')}. ` : ''
  return left + (phase === 'connected' ? `${t('connected')}. ${phaseText(session)}` : phaseText(session))
}

function connectedText(session: Session): string {
  const link = session.link.value
  if (link?.quality.value === 'weak') return t('weak')
  const path = link?.sample.value?.path ?? null
  return path === null ? t('connected') : pathText(path)
}

/** How the connection is for who is in the call. */
export const qualityWords: Readonly<Record<Quality, TextKey>> = {
  good: 'qualityGood',
  weak: 'qualityWeak',
  lost: 'qualityLost',
}

/** The title of the page: what waits for the person, what is wrong, and the room. */
export function titleOf(session: Session, unread: number, happening: Happening | null): string {
  const name = session.link.value?.presence.value?.name || t('otherSide')
  const phase = session.phase.value
  const news = happening === 'came' ? t('cameIn', { name }) : happening === 'left' ? t('peerLeft') : null
  const calm = phase === 'idle' || phase === 'connected' || phase === 'joining'
  const words = news ?? (calm ? null : phaseText(session))
  return `${unread > 0 ? `(${unread}) ` : ''}${words === null ? '' : `${words} – `}${session.room}`
}

/** How media travels: “Direct” or “Via relay (udp)”. */
export function pathText(path: Path): string {
  if (path.kind === 'direct') return t('direct')
  return path.protocol === null ? t('relay') : t('relayProtocol', { protocol: path.protocol })
}
