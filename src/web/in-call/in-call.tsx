import './in-call.css'
import { useComputed, useSignal } from '@preact/signals'
import { useEffect, useRef } from 'preact/hooks'
import type { LocalMedia } from '../media/media.ts'
import type { Session } from '../session.ts'
import { phaseText } from '../status.ts'
import { t } from '../text/i18n.ts'
import { CameraButton, MuteButton, RoundButton } from '../widgets/device-buttons.tsx'
import { Header } from '../widgets/header.tsx'
import { Icon } from '../widgets/icons.tsx'
import { LocalPicture } from '../widgets/local-picture.tsx'
import { Notice } from '../widgets/notice.tsx'
import { Video } from '../widgets/video.tsx'
import { CopyButton, ShareLink } from './share-link.tsx'

/** The call: the other side large, ourselves small, the buttons below. */
export function InCall({ session, media }: { session: Session; media: LocalMedia }) {
  const stage = useRef<HTMLDivElement>(null)
  const play = useSignal<(() => void) | null>(null)
  const phase = session.phase.value
  const picture = phase === 'reconnecting' || (phase === 'connected' && session.remotePicture.value)
  return (
    <div class="call" ref={stage}>
      <Header>
        <PathChip session={session} />
      </Header>
      <main class="call-main">
        <h1 class="sr-only" tabIndex={-1}>
          {t('room')} {session.room}
        </h1>
        <div class="stage">
          <Video
            stream={session.remote.value}
            label={t('remoteVideo')}
            class={picture ? 'remote' : 'remote remote-idle'}
            onBlocked={(start) => {
              play.value = start
            }}
          />
          {phase === 'waiting' && <Waiting session={session} />}
          {phase === 'connecting' && (
            <div class="stage-message">
              <span class="spinner" />
              {t('connecting')}
            </div>
          )}
          {phase === 'connected' && !session.remotePicture.value && (
            <div class="stage-message">
              <span class="avatar">
                <Icon name="person" />
              </span>
              {t('remoteCameraOff')}
            </div>
          )}
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
          <div class="self">
            <LocalPicture media={media} label={t('localVideo')} />
          </div>
          <Toasts session={session} media={media} />
        </div>
        <Controls session={session} media={media} stage={stage} />
      </main>
    </div>
  )
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

/** Where we stand, in a few words; once connected, how media travels. */
function PathChip({ session }: { session: Session }) {
  const path = session.path.value
  const roundTrip = session.roundTripMs.value
  const connected = session.phase.value === 'connected'
  const title = !connected || path === null ? '' : t(path.kind === 'direct' ? 'directHint' : 'relayHint')
  return (
    <span class={`chip chip-${session.phase.value}`} title={title}>
      <span class="chip-dot" />
      <span>{phaseText(session)}</span>
      {connected && roundTrip !== null && <span class="chip-time">{roundTrip} ms</span>}
    </span>
  )
}

function Toasts({ session, media }: { session: Session; media: LocalMedia }) {
  const problem = media.problem.value
  return (
    <div class="toasts">
      {session.signalingLost.value && <Notice title={t('signalingLost')} />}
      {session.noPath.value && <Notice title={t(session.noRelay.value ? 'noRelay' : 'noPath')} />}
      {problem !== null && <Notice title={t(problem.what, { reason: problem.reason })} />}
    </div>
  )
}

interface ControlsProps {
  readonly session: Session
  readonly media: LocalMedia
  readonly stage: { readonly current: HTMLDivElement | null }
}

function Controls({ session, media, stage }: ControlsProps) {
  const full = useSignal(false)
  const sharing = useComputed(() => media.screen.value !== null).value
  useEffect(() => {
    const changed = () => {
      full.value = document.fullscreenElement !== null
    }
    document.addEventListener('fullscreenchange', changed)
    return () => document.removeEventListener('fullscreenchange', changed)
  }, [])
  return (
    <div class="controls" role="toolbar" aria-label={t('controls')}>
      <MuteButton media={media} />
      <CameraButton media={media} />
      {'getDisplayMedia' in (navigator.mediaDevices ?? {}) && (
        <RoundButton
          icon={sharing ? 'screenOff' : 'screen'}
          label={t(sharing ? 'stopSharing' : 'shareScreen')}
          shortcut="s"
          {...(sharing ? { tone: 'active' as const } : {})}
          onClick={() => void media.setScreen(!sharing)}
        />
      )}
      {document.pictureInPictureEnabled && session.phase.value === 'connected' && (
        <RoundButton
          icon="window"
          label={t('pictureInPicture')}
          shortcut="p"
          onClick={() => void togglePictureInPicture(stage.current)}
        />
      )}
      <RoundButton
        icon={full.value ? 'shrink' : 'expand'}
        label={t(full.value ? 'exitFullScreen' : 'fullScreen')}
        shortcut="f"
        onClick={() => void toggleFullScreen(stage.current)}
      />
      {session.phase.value !== 'waiting' && <CopyButton round />}
      <RoundButton icon="hangUp" label={t('hangUp')} tone="danger" onClick={() => void session.hangUp()} />
    </div>
  )
}

/** iPhones give full screen to video elements alone. */
async function toggleFullScreen(stage: HTMLElement | null): Promise<void> {
  const video = stage?.querySelector<HTMLVideoElement & { webkitEnterFullscreen?(): void }>('.remote')
  if (document.fullscreenElement !== null && document.fullscreenElement !== undefined) return document.exitFullscreen()
  if (stage?.requestFullscreen !== undefined)
    return stage.requestFullscreen().catch(() => video?.webkitEnterFullscreen?.())
  video?.webkitEnterFullscreen?.()
}

async function togglePictureInPicture(stage: HTMLElement | null): Promise<void> {
  if (document.pictureInPictureElement !== null) return document.exitPictureInPicture()
  // Refused while there is no picture yet; the next press works.
  await stage
    ?.querySelector<HTMLVideoElement>('.remote')
    ?.requestPictureInPicture()
    .catch(() => undefined)
}
