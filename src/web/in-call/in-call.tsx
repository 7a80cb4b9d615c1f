import './in-call.css'
import '../chat/chat.css'
import { useSignal } from '@preact/signals'
import type { Call } from '../call-parts.ts'
import type { Commands } from '../command.ts'
import type { LocalMedia } from '../media/media.ts'
import type { Session } from '../session.ts'
import { phaseText } from '../status.ts'
import type { TextKey } from '../text/en.ts'
import { t } from '../text/i18n.ts'
import { CommandButton } from '../widgets/command-button.tsx'
import { Header } from '../widgets/header.tsx'
import { Icon } from '../widgets/icons.tsx'
import { later } from '../widgets/later.tsx'
import { LocalPicture } from '../widgets/local-picture.tsx'
import { Notice } from '../widgets/notice.tsx'
import { Video } from '../widgets/video.tsx'
import { CopyButton, ShareLink } from './share-link.tsx'

const ChatPanel = later(() => import('../chat/chat-panel.tsx').then((part) => part.ChatPanel))

/** The call: the other side large, ourselves small, the buttons below. */
export function InCall(call: Call) {
  const { session, media, commands, view } = call
  const play = useSignal<(() => void) | null>(null)
  const phase = session.phase.value
  const link = session.link.value
  const missing = missingPicture(session)
  return (
    <div class="call">
      <Header>
        <PathChip session={session} />
      </Header>
      <main class="call-main">
        <h1 class="sr-only" tabIndex={-1}>
          {t('room')} {session.room}
        </h1>
        <div class="call-body">
          <div class="stage">
            <Video
              stream={link?.remote ?? null}
              label={t('remoteVideo')}
              class={
                (phase === 'connected' && missing === null) || phase === 'reconnecting'
                  ? 'remote'
                  : 'remote remote-idle'
              }
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
            {phase === 'connected' && missing !== null && (
              <div class="stage-message">
                <span class="avatar">
                  <Icon name="person" />
                </span>
                {t(missing)}
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
          {view.panel.value === 'chat' && <ChatPanel {...call} />}
        </div>
        <Controls session={session} commands={commands} />
      </main>
    </div>
  )
}

/** Why there is no picture of the other side; a frozen one of a weak connection is still a picture. */
function missingPicture({ link: { value: link } }: Session): TextKey | null {
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

/** Where we stand, in a few words; once connected, how media travels. */
function PathChip({ session }: { session: Session }) {
  const sample = session.link.value?.sample.value
  const path = sample?.path ?? null
  const roundTrip = sample?.roundTripMs ?? null
  const connected = session.phase.value === 'connected' && session.link.value?.alive === true
  const text = phaseText(session)
  const title = !connected || path === null ? '' : t(path.kind === 'direct' ? 'directHint' : 'relayHint')
  return (
    <span class={`chip chip-${session.phase.value}`} title={title}>
      <span class="chip-dot" />
      <span>{text}</span>
      {connected && roundTrip !== null && (
        // Another one beside each text, so that none slides along.
        <span key={text} class="chip-time">
          {roundTrip} ms
        </span>
      )}
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

function Controls({ session, commands }: { session: Session; commands: Commands }) {
  return (
    <div class="controls" role="toolbar" aria-label={t('controls')}>
      <CommandButton command={commands.mute} />
      <CommandButton command={commands.camera} />
      <CommandButton command={commands.screen} />
      <CommandButton command={commands.chat} />
      <CommandButton command={commands.pictureInPicture} />
      <CommandButton command={commands.fullScreen} />
      <CopyButton round hidden={session.phase.value === 'waiting'} />
      <CommandButton command={commands.hangUp} />
    </div>
  )
}
