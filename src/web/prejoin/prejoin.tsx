import './prejoin.css'
import type { Call } from '../call-parts.ts'
import { DevicePicker } from '../fields/device-picker.tsx'
import { LevelMeter } from '../fields/level-meter.tsx'
import { NameField } from '../fields/name-field.tsx'
import type { MediaStatus } from '../media/media.ts'
import type { PageData } from '../page-data.ts'
import type { TextKey } from '../text/en.ts'
import { t } from '../text/i18n.ts'
import { CommandButton } from '../widgets/command-button.tsx'
import { Header } from '../widgets/header.tsx'
import { LocalPicture } from '../widgets/local-picture.tsx'
import { Notice } from '../widgets/notice.tsx'

const hints: Readonly<Partial<Record<MediaStatus, TextKey>>> = {
  refused: 'refusedHint',
  insecure: 'insecureHint',
  noCamera: 'noCameraHint',
  noMicrophone: 'noMicrophoneHint',
  noDevices: 'noDevicesHint',
  cameraInUse: 'cameraInUseHint',
  microphoneInUse: 'microphoneInUseHint',
  mediaFailed: 'mediaFailedHint',
}

/** Before the call: how do I look, does my microphone work, then Join. */
export function Prejoin({ page, session, media, myself, commands }: { page: PageData } & Call) {
  const status = media.status.value
  const joining = session.phase.value === 'joining'
  const hint = hints[status]
  const withoutCamera = async () => {
    if (media.camera.value !== null) await media.setCamera(false)
    else if (media.microphone.value === null) await media.open(['audio'])
    await session.join()
  }
  return (
    <>
      <Header />
      <main class="prejoin">
        <div class="preview">
          {status === 'checking' ? (
            <div class="no-picture">
              <span class="spinner" />
              <span>{t('checking')}</span>
              <small>{t('checkingHint')}</small>
            </div>
          ) : (
            <LocalPicture media={media} label={t('preview')} />
          )}
          <div class="preview-buttons">
            <CommandButton command={commands.mute} />
            <CommandButton command={commands.camera} />
          </div>
        </div>
        <div class="join-panel">
          <div>
            <h1 tabIndex={-1}>{t('readyToJoin')}</h1>
            <p class="room-line">
              {t('room')} <strong>{session.room}</strong>
            </p>
          </div>
          {[page.headerMessage ?? '', ...page.errorMessages, ...page.warningMessages].filter(Boolean).map((text) => (
            <Notice key={text} title={text} />
          ))}
          <NameField myself={myself} />
          <div class="join-buttons">
            <button
              type="button"
              class="button button-primary button-wide"
              disabled={joining}
              onClick={() => void session.join()}
            >
              {t(joining ? 'joining' : 'join')}
            </button>
            <button type="button" class="button button-wide" disabled={joining} onClick={() => void withoutCamera()}>
              {t('joinWithoutCamera')}
            </button>
          </div>
          {/* What appears later stands below what can be pressed: nothing moves under a finger. */}
          {hint !== undefined && (
            <Notice title={t(status as TextKey)} text={t(hint, { reason: media.reason.value })}>
              {status !== 'insecure' && (
                <button type="button" class="button" onClick={() => void media.open()}>
                  {t('askAgain')}
                </button>
              )}
            </Notice>
          )}
          {(media.devices.microphone.value.length > 0 || media.devices.camera.value.length > 0) && (
            <div class="devices">
              <DevicePicker kind="microphone" media={media} />
              <LevelMeter track={media.microphone.value} />
              <DevicePicker kind="camera" media={media} />
              <DevicePicker kind="speaker" media={media} />
            </div>
          )}
          {media.problem.value !== null && (
            <Notice title={t(media.problem.value.what, { reason: media.problem.value.reason })} />
          )}
        </div>
      </main>
    </>
  )
}
