import type { Call } from '../call-parts.ts'
import { t } from '../text/i18n.ts'
import { Panel } from '../widgets/panel.tsx'

/** Every key and what it does. */
export function ShortcutsPanel({ commands, view }: Call) {
  const shown = Object.entries(commands).filter(([, { keys, possible }]) => possible && keys.length > 0)
  return (
    <Panel title={t('shortcuts')} onClose={() => view.show(null)}>
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: who has no mouse scrolls it by the arrow keys */}
      <section class="panel-body" aria-label={t('shortcuts')} tabIndex={0}>
        <dl class="facts">
          {shown.map(([name, { keys, label }]) => (
            <div key={name}>
              <dt>{t(label())}</dt>
              <dd>
                {keys.map((key) => (
                  <span key={key} class="key">
                    {key === ' ' ? t('spaceBar') : key.toUpperCase()}
                  </span>
                ))}
              </dd>
            </div>
          ))}
        </dl>
      </section>
    </Panel>
  )
}
