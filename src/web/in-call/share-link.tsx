import './share-link.css'
import { useSignal } from '@preact/signals'
import { useEffect, useRef } from 'preact/hooks'
import { encode } from 'uqr'
import { t } from '../text/i18n.ts'
import { Icon } from '../widgets/icons.tsx'

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
      {local ? <p class="hint">{t('localhostHint')}</p> : <QrCode text={link} />}
    </div>
  )
}

/** Copies the link and says so for a moment. Hidden, it keeps its room, so that the buttons beside it stay where they are. */
export function CopyButton({ round = false, hidden = false }: { round?: boolean; hidden?: boolean }) {
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
  const label = t(copied.value ? 'linkCopied' : 'copyLink')
  return (
    <button
      type="button"
      class={`${round ? 'round' : 'button'}${hidden ? ' hidden' : ''}`}
      title={label}
      aria-label={label}
      onClick={() => void copy()}
    >
      <Icon name={copied.value ? 'check' : 'copy'} />
      {!round && <span>{label}</span>}
    </button>
  )
}

function QrCode({ text }: { text: string }) {
  const { data, size } = encode(text, { border: 2 })
  const path = data.flatMap((row, y) => row.map((dark, x) => (dark ? `M${x} ${y}h1v1h-1z` : ''))).join('')
  return (
    <figure class="qr">
      <svg viewBox={`0 0 ${size} ${size}`} role="img" aria-label={t('qrCode')} shape-rendering="crispEdges">
        <path d={path} />
      </svg>
      <figcaption>{t('scan')}</figcaption>
    </figure>
  )
}

function roomLink(): string {
  return location.origin + location.pathname + location.search
}

/** The clipboard needs https; without it the old command still works. */
async function copyText(text: string): Promise<boolean> {
  try {
    await navigator.clipboard.writeText(text)
    return true
  } catch {
    const area = document.createElement('textarea')
    area.value = text
    area.className = 'sr-only'
    document.body.append(area)
    area.select()
    const copied = document.execCommand('copy')
    area.remove()
    return copied
  }
}
