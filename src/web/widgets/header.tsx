import type { ComponentChildren } from 'preact'
import { chooseLanguage, dictionaries, type Language, language, t } from '../text/i18n.ts'

/** The line on top of every page. */
export function Header({ children }: { children?: ComponentChildren }) {
  return (
    <header class="header">
      <a class="brand" href={`/${location.search}`} title={t('home')}>
        <svg class="mark" viewBox="0 0 64 64" aria-hidden="true">
          <rect width="64" height="64" rx="16" />
          <path d="M14 23a5 5 0 0 1 5-5h17a5 5 0 0 1 5 5v18a5 5 0 0 1-5 5H19a5 5 0 0 1-5-5zm29 7 10.5-6.8v17.6L43 35z" />
        </svg>
        <span>webrtc-stack</span>
      </a>
      <div class="header-middle">{children}</div>
      <LanguageSwitch />
    </header>
  )
}

/** To the next language, under its own name. */
function LanguageSwitch() {
  const all = Object.keys(dictionaries) as Language[]
  const next = all[(all.indexOf(language.value) + 1) % all.length]!
  return (
    <button type="button" class="button button-quiet" lang={next} onClick={() => chooseLanguage(next)}>
      {dictionaries[next].languageName}
    </button>
  )
}
