import './local-picture.css'
import { useMemo } from 'preact/hooks'
import type { LocalMedia } from '../media/media.ts'
import { t } from '../text/i18n.ts'
import { Icon } from './icons.tsx'
import { Video } from './video.tsx'

/** What we send, as a mirror; a screen is shown unmirrored, or nobody could read it. */
export function LocalPicture({ media, label }: { media: LocalMedia; label: string }) {
  const track = media.picture.value
  const stream = useMemo(() => (track === null ? null : new MediaStream([track])), [track])
  if (stream === null || (media.screen.value === null && !media.cameraOn.value)) {
    return (
      <div class="no-picture">
        <Icon name="cameraOff" />
        <span>{t(media.status.value === 'ready' ? 'cameraIsOff' : 'noOwnPicture')}</span>
      </div>
    )
  }
  return (
    <Video stream={stream} label={label} class={media.screen.value === null ? 'picture mirrored' : 'picture'} muted />
  )
}
