import type { ComponentChildren } from 'preact'
import { useId } from 'preact/hooks'
import type { Call } from '../call-parts.ts'
import { DevicePicker } from '../fields/device-picker.tsx'
import { LevelMeter } from '../fields/level-meter.tsx'
import { NameField } from '../fields/name-field.tsx'
import { type LocalMedia, processing } from '../media/media.ts'
import { settings } from '../settings.ts'
import { t } from '../text/i18n.ts'
import { Panel } from '../widgets/panel.tsx'

/** Devices and habits, to be changed in the call. */
export function OptionsPanel({ media, myself, view }: Call) {
  return (
    <Panel title={t('options')} onClose={() => view.show(null)}>
      <div class="panel-body">
        <NameField myself={myself} />
        <DevicePicker kind="microphone" media={media} />
        <LevelMeter track={media.microphone.value} />
        <DevicePicker kind="camera" media={media} />
        <DevicePicker kind="speaker" media={media} />
        <DataUse media={media} />
        <fieldset class="switches">
          <legend>{t('microphone')}</legend>
          <Switch on={media.pushToTalk.value} change={(on) => media.setPushToTalk(on)} hint={t('pushToTalkHint')}>
            {t('pushToTalk')}
          </Switch>
          {processing.map((name) => (
            <Switch key={name} on={settings.get(name)} change={(on) => void media.setProcessing(name, on)}>
              {t(name)}
            </Switch>
          ))}
        </fieldset>
        <fieldset class="switches">
          <legend>{t('page')}</legend>
          <Switch on={settings.get('sounds')} change={(on) => settings.set('sounds', on)}>
            {t('sounds')}
          </Switch>
        </fieldset>
      </div>
    </Panel>
  )
}

function DataUse({ media }: { media: LocalMedia }) {
  const id = useId()
  return (
    <div class="picker">
      <label for={id}>{t('dataUse')}</label>
      <select
        id={id}
        value={media.dataUse.value}
        onChange={({ currentTarget: { value } }) => {
          const chosen = levels.find(([level]) => level === value)?.[0]
          if (chosen !== undefined) void media.setDataUse(chosen)
        }}
      >
        {levels.map(([level, words]) => (
          <option key={level} value={level}>
            {t(words)}
          </option>
        ))}
      </select>
    </div>
  )
}

const levels = [
  ['high', 'dataUseHigh'],
  ['medium', 'dataUseMedium'],
  ['low', 'dataUseLow'],
  ['sound', 'dataUseSound'],
] as const

function Switch(props: { on: boolean; change: (on: boolean) => void; hint?: string; children: ComponentChildren }) {
  return (
    <label class="switch">
      <input type="checkbox" checked={props.on} onChange={(event) => props.change(event.currentTarget.checked)} />
      <span>
        {props.children}
        {props.hint !== undefined && <small>{props.hint}</small>}
      </span>
    </label>
  )
}
