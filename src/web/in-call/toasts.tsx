import type { ComponentChildren } from 'preact'
import type { Call } from '../call-parts.ts'
import type { TextKey } from '../text/en.ts'
import { t } from '../text/i18n.ts'
import { Icon, type IconName } from '../widgets/icons.tsx'
import { Notice } from '../widgets/notice.tsx'

/** What the person should know during the call, over the pictures. */
export function Toasts({ session, media, view }: Call) {
  const problem = media.problem.value
  const plugged = media.devices.plugged.value
  return (
    <div class="toasts">
      {session.signalingLost.value && <Notice title={t('signalingLost')} />}
      {session.noPath.value && <Notice title={t(session.noRelay.value ? 'noRelay' : 'noPath')} />}
      {problem !== null && <Notice title={t(problem.what, { reason: problem.reason })} />}
      {media.screen.value !== null && (
        <Offer text={t('youShare')} icon="screen">
          <button type="button" class="button button-danger" onClick={() => void media.setScreen(false)}>
            {t('stop')}
          </button>
        </Offer>
      )}
      {plugged !== null && (
        <Offer text={t('pluggedIn', { name: plugged.label })} icon="headset">
          <button type="button" class="button button-primary" onClick={() => void media.takePlugged()}>
            {t('use')}
          </button>
          <button
            type="button"
            class="button"
            onClick={() => {
              media.devices.plugged.value = null
            }}
          >
            {t('notNow')}
          </button>
        </Offer>
      )}
      {view.word.value !== null && <Offer text={t(view.word.value)} icon="check" />}
      {media.unheard.value && <Offer text={t(unheardText(media.pushToTalk.value))} icon="microphoneOff" />}
    </div>
  )
}

function unheardText(pushToTalk: boolean): TextKey {
  return pushToTalk ? 'holdToTalk' : 'youAreMuted'
}

function Offer(props: { text: string; icon: IconName; children?: ComponentChildren }) {
  return (
    <div class="offer" role="status">
      <Icon name={props.icon} />
      <span>{props.text}</span>
      {props.children}
    </div>
  )
}
