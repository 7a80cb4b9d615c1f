import { encode } from 'uqr'
import { t } from '../text/i18n.ts'

/** A text for the camera of a phone. */
export function QrCode({ text }: { text: string }) {
  const { data, size } = encode(text, { border: 2 })
  const path = data.flatMap((row, y) => row.map((dark, x) => (dark ? `M${x} ${y}h1v1h-1z` : ''))).join('')
  return (
    <svg viewBox={`0 0 ${size} ${size}`} role="img" aria-label={t('qrCode')} shape-rendering="crispEdges">
      <path d={path} />
    </svg>
  )
}
