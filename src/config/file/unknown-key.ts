import { nearest } from '../nearest.ts'
import { isOptionName, optionNames } from '../options.ts'
import type { Line } from './syntax.ts'

/** No key is nearly as long, so there is no use in looking for the nearest. */
const LONGEST_NAME = 64

/** What to do about a line whose name is no key; the value is not repeated. */
export function unknownKeyAdvice({ name, value, assigns }: Line): string | null {
  if (/^(;|\/\/|\/\*|--\s|!|REM$)/.test(name)) return COMMENT
  if (/^\[.*\]$/.test(name)) return 'there are no sections: take the line out'
  const bare = name.replace(/^-+/, '').replace(/:.*$/, '')
  if (isOptionName(bare)) {
    if (name.includes(':')) return `write "${bare}=", with "=" instead of ":"`
    return `write "${bare}" without dashes`
  }
  if (!assigns && value !== null && /\s/.test(value)) return COMMENT
  if (name.length > LONGEST_NAME) return null
  const near = byWords(bare) ?? nearest(bare, optionNames)
  return near === null ? 'see `webrtc-stack --help-all`' : `did you mean "${near}"?`
}

const COMMENT = 'if it is a comment, begin the line with "#"'

/** Words that people take for one another. */
const SYNONYMS: Readonly<Record<string, string>> = { ip: 'address', host: 'address', password: 'pwd', key: 'pkey' }

/** The key with the fewest other words among those that have all the words of this name: `log-level` is `log-min-level`. */
function byWords(name: string): string | null {
  const words = (text: string) =>
    text
      .toLowerCase()
      .split(/[-_]/)
      .map((word) => SYNONYMS[word] ?? word)
  const wanted = words(name)
  if (wanted.length < 2) return null
  const found = optionNames.filter((option) => wanted.every((word) => words(option).includes(word)))
  return found.toSorted((a, b) => words(a).length - words(b).length)[0] ?? null
}
