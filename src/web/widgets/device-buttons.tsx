import './device-buttons.css'
import type { LocalMedia } from '../media/media.ts'
import { t } from '../text/i18n.ts'
import { Icon, type IconName } from './icons.tsx'

interface RoundButtonProps {
  readonly icon: IconName
  readonly label: string
  readonly shortcut?: string
  readonly tone?: 'off' | 'active' | 'danger'
  readonly disabled?: boolean
  onClick(): void
}

/** One of the round buttons of a call. */
export function RoundButton({ icon, label, shortcut, tone, disabled = false, onClick }: RoundButtonProps) {
  return (
    <button
      type="button"
      class={tone === undefined ? 'round' : `round round-${tone}`}
      title={shortcut === undefined ? label : `${label} (${shortcut.toUpperCase()})`}
      aria-label={label}
      aria-keyshortcuts={shortcut}
      disabled={disabled}
      onClick={onClick}
    >
      <Icon name={icon} />
    </button>
  )
}

/** The microphone's switch; shown without a microphone too, disabled, so that buttons don't jump. */
export function MuteButton({ media }: { media: LocalMedia }) {
  const missing = media.microphone.value === null
  const off = media.muted.value || missing
  return (
    <RoundButton
      icon={off ? 'microphoneOff' : 'microphone'}
      label={t(media.muted.value ? 'unmute' : 'mute')}
      shortcut="m"
      {...(off ? { tone: 'off' as const } : {})}
      disabled={missing}
      onClick={() => media.setMuted(!media.muted.value)}
    />
  )
}

/** The camera's switch. */
export function CameraButton({ media }: { media: LocalMedia }) {
  const on = media.cameraOn.value
  return (
    <RoundButton
      icon={on ? 'camera' : 'cameraOff'}
      label={t(on ? 'cameraOff' : 'cameraOn')}
      shortcut="v"
      {...(on ? {} : { tone: 'off' as const })}
      disabled={!on && media.cameras.value.length === 0}
      onClick={() => void media.setCamera(!on)}
    />
  )
}
