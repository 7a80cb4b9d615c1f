import type { ComponentChildren } from 'preact'
import { chooseLanguage, language, languages, t } from '../text/i18n.ts'

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

function LanguageSwitch() {
  const other = language.value === 'en' ? 'zh' : 'en'
  return (
    <button type="button" class="button button-quiet" lang={other} onClick={() => chooseLanguage(other)}>
      {languages[other]}
    </button>
  )
}
