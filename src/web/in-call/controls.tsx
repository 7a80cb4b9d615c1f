import type { Call } from '../call-parts.ts'
import { t } from '../text/i18n.ts'
import { CommandButton } from '../widgets/command-button.tsx'

/** The round buttons below the pictures; the rest is behind the last but one. */
export function Controls({ commands, view }: Call) {
  return (
    <div class="controls" role="toolbar" aria-label={t('controls')}>
      <CommandButton command={commands.mute} />
      <CommandButton command={commands.camera} />
      <CommandButton command={commands.screen} />
      <CommandButton command={commands.chat} />
      <CommandButton command={commands.react} expanded={view.reacting.value} />
      <CommandButton command={commands.more} expanded={view.menu.value} />
      <CommandButton command={commands.hangUp} />
    </div>
  )
}
