import type { Path } from './link/stats.ts'
import type { LocalMedia } from './media/media.ts'
import type { Session } from './session.ts'
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
  if (link?.condition.value === 'weak') return t('weak')
  const path = link?.sample.value?.path ?? null
  return path === null ? t('connected') : pathText(path)
}

/** How media travels: “Direct” or “Via relay (udp)”. */
function pathText(path: Path): string {
  if (path.kind === 'direct') return t('direct')
  return path.protocol === null ? t('relay') : t('relayProtocol', { protocol: path.protocol })
}
