import { effect, signal } from '@preact/signals'
import { settings } from '../settings.ts'
import { type Dictionary, english, type TextKey } from './en.ts'
import { chinese } from './zh.ts'

/** Every language by its primary subtag (RFC 5646 §2.2.1). A further one is a file like these two and a line here. */
export const dictionaries = { en: english, zh: chinese } as const satisfies Record<string, Dictionary>

export type Language = keyof typeof dictionaries

/** What `<html lang>` says; a script that only this decides, such as the shapes of Chinese characters, needs a region. */
const tags: Readonly<Record<Language, string>> = { en: 'en', zh: 'zh-CN' }

/** The language shown now; reading it in a component makes the component follow the switch. */
export const language = signal<Language>('en')

/** The language shown now as `<html lang>` wants it. */
export function languageTag(): string {
  return tags[language.value]
}

/** At the start of a page: shows the language that the person wants, and says so to the browser from then on. */
export function speakAsPreferred(): void {
  language.value = preferredLanguage(settings.get('language'), navigator.languages)
  effect(() => {
    document.documentElement.lang = languageTag()
  })
}

/** Shows a language and remembers it. */
export function chooseLanguage(chosen: Language): void {
  language.value = chosen
  settings.set('language', chosen)
}

/** The remembered choice, else the first of the browser's languages that we speak. */
export function preferredLanguage(stored: string | null, browser: readonly string[]): Language {
  const known = [stored ?? '', ...browser].map((tag) => tag.split('-')[0]!.toLowerCase()).find(isLanguage)
  return known ?? 'en'
}

/** The text in the language shown now, with `{name}` filled in. */
export function t(key: TextKey, values: Readonly<Record<string, string | number>> = {}): string {
  return dictionaries[language.value][key].replace(/\{(\w+)\}/g, (hole, name: string) => String(values[name] ?? hole))
}

function isLanguage(name: string): name is Language {
  return Object.hasOwn(dictionaries, name)
}
