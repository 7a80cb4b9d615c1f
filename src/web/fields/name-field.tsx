import './name-field.css'
import { maxNameLength } from '../link/talk.ts'
import type { Myself } from '../people/myself.ts'
import { t } from '../text/i18n.ts'

/** What the others see below our picture; may stay empty. */
export function NameField({ myself }: { myself: Myself }) {
  return (
    <label class="name-field">
      <span>{t('yourName')}</span>
      <input
        value={myself.name.value}
        maxLength={maxNameLength}
        placeholder={t('optional')}
        autocomplete="nickname"
        spellcheck={false}
        onChange={(event) => myself.setName(event.currentTarget.value)}
      />
    </label>
  )
}
