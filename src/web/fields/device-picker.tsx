import './device-picker.css'
import { useId } from 'preact/hooks'
import type { DeviceKind } from '../media/devices.ts'
import type { LocalMedia } from '../media/media.ts'
import { t } from '../text/i18n.ts'

/** Chooses a device, if there is any of its kind. */
export function DevicePicker({ kind, media }: { kind: DeviceKind; media: LocalMedia }) {
  const id = useId()
  const devices = media.devices[kind].value
  if (devices.length === 0) return null
  return (
    <div class="picker">
      <label for={id}>{t(kind)}</label>
      <select
        id={id}
        value={media.chosen(kind) ?? devices[0]!.deviceId}
        onChange={(event) => void media.choose(kind, event.currentTarget.value)}
      >
        {devices.map(({ deviceId, label }, index) => (
          <option key={deviceId} value={deviceId}>
            {label || t('unnamedDevice', { number: index + 1 })}
          </option>
        ))}
      </select>
    </div>
  )
}
