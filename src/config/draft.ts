import { BadValue, ConfigError } from './config-error.ts'
import { odditiesOf } from './file/oddities.ts'
import { type Config, type OptionName, optionNames, optionOf, ownOptionNames } from './options.ts'
import { describeOrigin, type Origin, type Setting, type Warning } from './setting.ts'

type Values = { -readonly [Name in OptionName]: Config[Name] }

/** What the entries of each list are. */
type Entries = {
  [Name in OptionName as Config[Name] extends readonly unknown[]
    ? Name
    : never]: Config[Name] extends readonly (infer Entry)[] ? Entry : never
}

/** What a setting comes to that sets nothing. */
const NOTHING = Symbol('nothing')

const DEFAULT: Origin = { source: 'default' }

/** A configuration while it is put together: values so far, where each came from, and what is wrong with them. */
export class Draft {
  readonly values: Values
  readonly origins: Map<OptionName, readonly Origin[]> = new Map()
  readonly problems: ConfigError[] = []
  readonly warnings: Warning[] = []

  constructor() {
    // Every key of the table is there with its default, which is what `Values` says.
    this.values = Object.fromEntries(optionNames.map((name) => [name, optionOf(name).default])) as unknown as Values
  }

  /** Somebody set it, be it to its default. */
  isGiven(name: OptionName): boolean {
    return this.origins.has(name)
  }

  /** Where the value in force was set; for a list, where its entry `index` was. */
  originOf(name: OptionName, index?: number): Origin {
    const origins = this.origins.get(name)
    return origins?.[index ?? origins.length - 1] ?? DEFAULT
  }

  /** Settings in the order in which they count: a later one replaces an earlier one, or joins it in a list. */
  apply(settings: readonly Setting[]): void {
    for (const setting of settings) {
      const { name, origin } = setting
      const option = optionOf(name)
      try {
        const item = this.#parse(setting)
        if (item === NOTHING) continue
        const earlier = option.list && this.isGiven(name) ? (this.values[name] as readonly unknown[]) : []
        // The table's parser made the item, so it has the type that the table gives this name.
        ;(this.values as Record<OptionName, unknown>)[name] = option.list ? [...earlier, item] : item
        this.origins.set(name, option.list ? [...(this.origins.get(name) ?? []), origin] : [origin])
      } catch (error) {
        if (!(error instanceof BadValue)) throw error
        this.problems.push(problemAt(origin, name, error.message, error.fix))
      }
    }
  }

  #parse({ name, text: written, origin, negated }: Setting): unknown {
    const { type } = optionOf(name)
    const remark = (message: string) =>
      void this.warnings.push({ where: describeOrigin(origin), message: `"${name}": ${message}` })
    const isFromFile = origin.source === 'file'
    let text = written
    if (type.neverHolds === '#' && isFromFile && text !== null) {
      const comment = /(?:^|[ \t]+)#.*$/.exec(text)
      if (comment !== null) {
        remark('the text from "#" on is ignored; comments belong on lines of their own')
        text = text.slice(0, comment.index)
      }
    } else if (text !== null && !ownOptionNames.has(name)) odditiesOf(text, isFromFile).forEach(remark)

    if (type.ignoresEmpty && (text ?? '').trim() === '') {
      remark('has no value and is ignored')
      return NOTHING
    }
    const needsValue = () => new BadValue('needs a value', `write ${name}=${type.placeholder}`)
    if (!text && type.bare !== undefined) return negated ? !type.bare : type.bare
    if (text === null) throw needsValue()
    try {
      const value = type.parse(text, remark)
      return negated ? !value : value
    } catch (error) {
      throw text === '' && type.neverHolds === '#' ? needsValue() : error
    }
  }

  /** Takes the entries of a list out that are not meant, and where they were set with them; a list left empty is as if not set. */
  keep<Name extends keyof Entries>(name: Name, isMeant: (entry: Entries[Name]) => boolean): void {
    const origins = this.origins.get(name)
    const entries = this.values[name] as readonly Entries[Name][]
    const kept = [...entries.entries()].filter(([, entry]) => isMeant(entry))
    ;(this.values as Record<keyof Entries, unknown>)[name] = kept.map(([, entry]) => entry)
    if (origins === undefined) return
    if (kept.length === 0) this.origins.delete(name)
    else
      this.origins.set(
        name,
        kept.flatMap(([index]) => origins[index] ?? []),
      )
  }

  problem(name: OptionName, message: string, fix: string | null = null, index?: number): void {
    this.problems.push(problemAt(this.originOf(name, index), name, message, fix))
  }

  warn(name: OptionName, message: string): void {
    const origin = this.originOf(name)
    this.warnings.push({
      where: origin.source === 'default' ? null : describeOrigin(origin),
      message: `"${name}": ${message}`,
    })
  }
}

/** The problem of one option, saying where it was set. */
/** What is wrong with an option, where it was set. */
export function problemAt(origin: Origin, name: string, message: string, fix: string | null): ConfigError {
  const where = origin.source === 'default' ? null : describeOrigin(origin)
  return new ConfigError({
    where,
    ...(origin.source === 'file' ? { file: origin.file, line: origin.line } : {}),
    key: name,
    message: `"${name}": ${message}`,
    fix,
  })
}
