import { useSignal } from '@preact/signals'
import type { Call } from '../call-parts.ts'
import type { LocalMedia } from '../media/media.ts'
import { reactionWords } from '../people/reaction-words.ts'
import type { Session } from '../session.ts'
import type { TextKey } from '../text/en.ts'
import { t } from '../text/i18n.ts'
import { Icon } from '../widgets/icons.tsx'
import { LocalPicture } from '../widgets/local-picture.tsx'
import { Video } from '../widgets/video.tsx'
import { SelfHandle } from './self-handle.tsx'
import { ShareLink } from './share-link.tsx'
import { Tile } from './tile.tsx'
import { Toasts } from './toasts.tsx'

/** Everybody's picture: the other side large and ourselves small, or the other way round. */
export function Stage(call: Call) {
  const { session, media, myself, reactions, view } = call
  const play = useSignal<(() => void) | null>(null)
  const phase = session.phase.value
  const link = session.link.value
  const there = link?.presence.value ?? null
  const missing = missingPicture(session, media)
  const swapped = view.swapped.value && phase !== 'waiting'
  const small = `tile-small tile-${view.selfCorner.value}`
  const shown = reactions.shown.value
  const heard = shown.filter(({ mine }) => !mine).at(-1)
  return (
    <div class={`stage${view.fill.value ? ' stage-fill' : ''}${phase === 'reconnecting' ? ' stage-reconnecting' : ''}`}>
      <Tile
        class={`${swapped ? small : 'tile-large'}${phase === 'waiting' ? ' tile-idle' : ''}`}
        name={there?.name ?? ''}
        muted={there?.microphone === false}
        hand={there?.hand === true}
        reactions={shown.filter(({ mine }) => !mine)}
      >
        <Video
          stream={link?.remote ?? null}
          label={t('remoteVideo')}
          speaker={media.speaker.value}
          class={
            (phase === 'connected' && missing === null) || phase === 'reconnecting' ? 'remote' : 'remote remote-idle'
          }
          onBlocked={(start) => {
            play.value = start
          }}
        />
        {phase === 'connecting' && (
          <div class="stage-message">
            <span class="spinner" />
            {t('connecting')}
          </div>
        )}
        {phase === 'connected' && missing !== null && (
          <div class="stage-message">
            <span class="avatar">
              <Icon name="person" />
            </span>
            {t(missing)}
          </div>
        )}
        {swapped && <SelfHandle view={view} />}
      </Tile>
      <Tile
        class={`self ${swapped ? 'tile-large' : small}${view.selfHidden.value && !swapped ? ' tile-idle' : ''}`}
        name={myself.name.value}
        muted={media.silent.value}
        hand={myself.hand.value}
        reactions={shown.filter(({ mine }) => mine)}
      >
        <LocalPicture media={media} label={t('localVideo')} />
        {!swapped && <SelfHandle view={view} />}
      </Tile>
      {phase === 'waiting' && <Waiting session={session} />}
      {play.value !== null && (
        <button
          type="button"
          class="button button-primary play"
          onClick={() => {
            play.value?.()
            play.value = null
          }}
        >
          {t('tapToHear')}
        </button>
      )}
      <p class="sr-only" role="status">
        {there?.hand === true ? t('handRaisedBy', { name: there.name || t('otherSide') }) : ''}
      </p>
      <p class="sr-only" role="status">
        {heard === undefined
          ? ''
          : t('reactedBy', { name: there?.name || t('otherSide'), reaction: t(reactionWords[heard.reaction]) })}
      </p>
      <Toasts {...call} />
    </div>
  )
}

/** Why there is no picture of the other side; a frozen one of a weak connection is still a picture. */
function missingPicture({ link: { value: link } }: Session, media: LocalMedia): TextKey | null {
  if (media.dataUse.value === 'sound') return 'soundOnly'
  const presence = link?.presence.value ?? null
  if (presence !== null) return presence.camera || presence.screen ? null : 'remoteCameraOff'
  return link?.picture.value === false && link.alive ? 'remoteNoPicture' : null
}

function Waiting({ session }: { session: Session }) {
  return (
    <section class="card waiting">
      {session.peerLeft.value && <p class="peer-left">{t('peerLeft')}</p>}
      <h2>{t('waiting')}</h2>
      <p>{t('waitingHint')}</p>
      <ShareLink />
    </section>
  )
}
