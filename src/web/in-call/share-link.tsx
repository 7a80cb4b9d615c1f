import './share-link.css'
import { useSignal } from '@preact/signals'
import { useEffect, useRef } from 'preact/hooks'
import { t } from '../text/i18n.ts'
import { Icon } from '../widgets/icons.tsx'
import { later } from '../widgets/later.tsx'
import { copyText, roomLink } from './copy-text.ts'

const QrCode = later(() => import('./qr-code.tsx').then((part) => part.QrCode))

/** The link to this room: to copy, to share, to scan. */
export function ShareLink() {
  const link = roomLink()
  const local = /^(localhost|127\..*|\[::1\])$/.test(location.hostname)
  return (
    <div class="share">
      <div class="field">
        <input readOnly value={link} aria-label={t('link')} onFocus={(event) => event.currentTarget.select()} />
        <div class="share-buttons">
          <CopyButton />
          {'share' in navigator && (
            // Closing the system's sheet is a refusal, too: nothing to say about it.
            <button type="button" class="button" onClick={() => navigator.share({ url: link }).catch(() => undefined)}>
              <Icon name="share" />
              <span>{t('shareLink')}</span>
            </button>
          )}
        </div>
      </div>
      {local ? (
        <p class="hint">{t('localhostHint')}</p>
      ) : (
        <figure class="qr">
          {/* Its place is there before it is, so that nothing moves. */}
          <div>
            <QrCode text={link} />
          </div>
          <figcaption>{t('scan')}</figcaption>
        </figure>
      )}
    </div>
  )
}

/** Copies the link, and says so for a moment. */
function CopyButton() {
  const copied = useSignal(false)
  const timer = useRef<ReturnType<typeof setTimeout>>(undefined)
  useEffect(() => () => clearTimeout(timer.current), [])
  const copy = async () => {
    if (!(await copyText(roomLink()))) return
    copied.value = true
    clearTimeout(timer.current)
    timer.current = setTimeout(() => {
      copied.value = false
    }, 2500)
  }
  return (
    <button type="button" class="button" onClick={() => void copy()}>
      <Icon name={copied.value ? 'check' : 'copy'} />
      <span>{t(copied.value ? 'linkCopied' : 'copyLink')}</span>
    </button>
  )
}
