import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'

/** One heading of a page and what stands below it, up to the next. */
interface Section {
  readonly level: number
  readonly blocks: readonly Block[]
  /** Cells of each row of its tables. */
  readonly rows: readonly (readonly string[])[]
  readonly prose: string
}

interface Block {
  readonly language: string
  /** Without remarks, which are translated. */
  readonly code: readonly string[]
}

const english = sectionsOf('README.md')
const chinese = sectionsOf('README.zh-CN.md')

test('README.zh-CN.md has the headings of README.md, in the same order and of the same level', () => {
  expect(chinese.map(({ level }) => level)).toEqual(english.map(({ level }) => level))
})

describe.each(english.map((section, i) => ({ number: i + 1, section, other: chinese[i] })))(
  'section $number of README.zh-CN.md',
  ({ section, other }) => {
    test('has the same blocks of code, but for their remarks', () => {
      expect(other?.blocks).toEqual(section.blocks)
    })

    test('has tables with the same options, commands and figures in each cell', () => {
      const marks = (rows: Section['rows'] = []) =>
        rows.map((cells) => cells.map((cell) => [spans(cell), numbers(cell)]))
      expect(marks(other?.rows)).toEqual(marks(section.rows))
    })

    test('names the same options, commands, addresses and files', () => {
      expect(spans(other?.prose ?? '')).toEqual(spans(section.prose))
    })

    test('has as many points in its lists', () => {
      expect(other?.prose.match(/^- /gm)?.length).toBe(section.prose.match(/^- /gm)?.length)
    })

    test('has the same figures and links', () => {
      expect(numbers(other?.prose ?? '')).toEqual(numbers(section.prose))
      expect(links(other?.prose ?? '')).toEqual(links(section.prose))
    })
  },
)

test('the two pages link to each other', () => {
  expect(readFileSync('README.md', 'utf8')).toContain('](README.zh-CN.md)')
  expect(readFileSync('README.zh-CN.md', 'utf8')).toContain('](README.md)')
})

function sectionsOf(page: string): Section[] {
  return readFileSync(page, 'utf8')
    .replaceAll(/^```[\s\S]*?^```$/gm, (block) => block.replaceAll(/^#/gm, '\\#'))
    .split(/^(?=#+ )/m)
    .map((text) => {
      const withoutBlocks = text.replaceAll(/^```[\s\S]*?^```$/gm, '')
      const lines = withoutBlocks.split('\n')
      return {
        level: /^#*/.exec(text)![0].length,
        blocks: [...text.matchAll(/^```(\w*)\n([\s\S]*?)^```$/gm)].map(([, language, code]) => ({
          language: language!,
          code: code!.split('\n').map(withoutRemark),
        })),
        rows: lines.filter((line) => line.startsWith('|')).map((line) => line.split('|').slice(1, -1)),
        prose: lines.filter((line) => !line.startsWith('|')).join('\n'),
      }
    })
}

/** What follows a `#`, or stands to the right of a picture. */
function withoutRemark(line: string): string {
  return line
    .replace(/\\?#.*$/, '')
    .replace(/(?<=\S) {3,}\S.*$/, '')
    .trimEnd()
}

function spans(text: string): string[] {
  return [...text.matchAll(/`([^`]+)`/g)].map(([, span]) => span!).toSorted()
}

/** Each once: where a sentence says `it`, its translation may have to say the name again. */
function numbers(text: string): string[] {
  const prose = text.replaceAll(/`[^`]+`|\]\([^)]*\)/g, '')
  return [...new Set(prose.match(/\d+(?:[ .]\d+)*/g))].toSorted()
}

function links(text: string): string[] {
  const targets = [...text.matchAll(/\]\(([^)]+)\)/g)].map(([, target]) => target!)
  return targets.filter((target) => !target.startsWith('README.')).toSorted()
}
