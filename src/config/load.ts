import { randomBytes } from 'node:crypto'
import { lookup } from 'node:dns/promises'
import { readFileSync } from 'node:fs'
import { networkInterfaces } from 'node:os'
import { dirname, relative } from 'node:path'
import { resolveAddresses } from './addresses.ts'
import { findCertificates } from './certificates.ts'
import { ConfigError } from './config-error.ts'
import { Draft } from './draft.ts'
import { findFile, type Places } from './find-file.ts'
import type { Flags } from './flags.ts'
import { nearest } from './nearest.ts'
import { type Config, isOptionName, type OptionName, optionNames, optionOf } from './options.ts'
import { applyRules } from './rules.ts'
import type { Origin, Setting, Warning } from './setting.ts'
import type { Surroundings } from './surroundings.ts'
import { parseLines } from './syntax.ts'

/** The configuration in force, where each value came from, and what the operator should hear about it. */
export interface LoadedConfig {
  readonly config: Config
  /** Of each option that somebody set; a list has one origin for each entry. */
  readonly origins: ReadonlyMap<OptionName, readonly Origin[]>
  readonly warnings: readonly Warning[]
  /** The configuration file that was read. */
  readonly file: string | null
}

const DEFAULT_FILE = 'turnserver.conf'
const ENVIRONMENT_PREFIX = 'WEBRTC_STACK_'
/** Switches of our test suite, which tests hand on to the servers they start. */
const TEST_PREFIX = `${ENVIRONMENT_PREFIX}TEST_`
const MAX_LINE_BYTES = 65_536
/** No key is nearly as long, so there is no use in looking for the nearest. */
const LONGEST_NAME = 64
/** Enough to see what is wrong with a file; more would push it off the screen. */
const MAX_PROBLEMS = 50

/** Defaults, then the file, then the environment, then flags. Throws ConfigError, with all problems, before anything is opened. */
export async function loadConfig(
  flags: Pick<Flags, 'settings' | 'file' | 'warnings'>,
  surroundings: Surroundings = thisMachine(),
): Promise<LoadedConfig> {
  const draft = new Draft()
  draft.warnings.push(...flags.warnings)
  const file = flags.file === false ? null : locate(flags.file, surroundings, draft)
  const settings = [
    ...(file === null ? [] : fileSettings(file, surroundings, draft)),
    ...environmentSettings(surroundings.environment, draft),
    ...flags.settings,
  ]
  draft.apply(settings)
  reportStates(draft, settings)
  await resolveAddresses(draft, surroundings)
  findCertificates(draft, surroundings)
  applyRules(draft, surroundings)

  const [first, ...others] = draft.problems.toSorted((a, b) => (a.line ?? Infinity) - (b.line ?? Infinity) || 0)
  if (first !== undefined) throw first.with(withoutTheRest(others))
  return Object.freeze({
    config: Object.freeze({ ...draft.values }),
    origins: draft.origins,
    warnings: Object.freeze(draft.warnings),
    file,
  })
}

function withoutTheRest(others: readonly ConfigError[]): readonly ConfigError[] {
  const left = others.length - MAX_PROBLEMS
  if (left <= 0) return others
  const rest = new ConfigError({ where: null, message: `and ${left} more problems like these`, fix: null })
  return [...others.slice(0, MAX_PROBLEMS), rest]
}

function thisMachine(): Surroundings {
  return {
    environment: process.env,
    directory: process.cwd(),
    programDirectory: dirname(process.argv[1] ?? '.'),
    interfaces: new Map(
      Object.entries(networkInterfaces()).map(([name, addresses]) => [
        name,
        (addresses ?? []).filter(({ scopeid }) => !scopeid).map(({ address }) => address),
      ]),
    ),
    resolve: async (host) => (await lookup(host, { all: true, order: 'ipv4first' })).map(({ address }) => address),
    domainName: nisDomain(),
    runSecret,
  }
}

let drawn: string | null = null

function runSecret(): string {
  drawn ??= randomBytes(32).toString('base64url')
  return drawn
}

function nisDomain(): string | null {
  try {
    const name = readFileSync('/proc/sys/kernel/domainname', 'utf8').trim()
    return name === '' || name === '(none)' ? null : name
  } catch {
    // Not Linux: there is no such file, and coturn users elsewhere write `realm` anyway.
    return null
  }
}

function locate(named: string | null, places: Places, draft: Draft): string | null {
  const { path, unreadable } = findFile(named ?? DEFAULT_FILE, places)
  const [forbidden] = unreadable
  if (path === null && named !== null)
    throw new ConfigError({
      where: named,
      file: named,
      message: forbidden === undefined ? 'there is no such file' : 'may not be read',
      fix:
        forbidden === undefined
          ? 'look at -c; `webrtc-stack init` writes a new one'
          : `check the rights of ${forbidden}`,
    })
  for (const file of unreadable)
    draft.warnings.push({ where: file, message: 'is there but may not be read; passed over' })
  return path
}

function fileSettings(path: string, { directory }: Places, draft: Draft): Setting[] {
  const shown = shortest(path, relative(directory, path))
  return parseLines(readText(path)).flatMap(({ number, name, value, endsInSemicolon }) => {
    const where = `${shown}:${number}`
    if (endsInSemicolon)
      draft.warnings.push({ where, message: `"${name}": the ";" at the end of the line belongs to the value` })
    if (isOptionName(name) && Buffer.byteLength(value ?? '') <= MAX_LINE_BYTES)
      return [{ name, text: value, origin: { source: 'file', file: shown, line: number } as const }]
    draft.problems.push(
      new ConfigError({
        where,
        file: shown,
        line: number,
        key: name,
        ...(isOptionName(name)
          ? { message: `"${name}" has a value longer than ${MAX_LINE_BYTES} bytes`, fix: null }
          : { message: `unknown key "${name}"`, fix: isHopeless(name, draft) ? null : suggestion(name) }),
      }),
    )
    return []
  })
}

/** Looking for the nearest key takes time, and nobody reads so many answers. */
function isHopeless(name: string, { problems }: Draft): boolean {
  return name.length > LONGEST_NAME || problems.length > MAX_PROBLEMS
}

function readText(path: string): string {
  const text = contentOf(path)
  if (text.includes('\0'))
    throw new ConfigError({
      where: path,
      file: path,
      message: 'is not a text file (it has NUL bytes)',
      fix: 'look at -c',
    })
  return text
}

function contentOf(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    throw new ConfigError({ where: path, file: path, message: `cannot be read (${code})`, fix: 'look at -c' })
  }
}

function suggestion(name: string): string {
  const positive = name.replace(/^(-*)no-/, '')
  if (positive !== name && isOptionName(positive)) return `write ${positive}=off`
  const near = nearest(name.replace(/^-+/, ''), optionNames)
  return near === null ? 'see `webrtc-stack --help-all`' : `did you mean "${near}"?`
}

function environmentSettings(environment: Surroundings['environment'], draft: Draft): Setting[] {
  return Object.entries(environment).flatMap(([variable, value]) => {
    if (!variable.startsWith(ENVIRONMENT_PREFIX) || variable.startsWith(TEST_PREFIX) || !value) return []
    const name = environmentNames.get(variable)
    // Kubernetes describes every service to every pod: WEBRTC_STACK_PORT=tcp://10.0.0.7:3478 for one called webrtc-stack.
    if (/^(tcp|udp):\/\//.test(value) || /_(SERVICE|PORT)_.*(HOST|PORT|PROTO|ADDR)/.test(variable)) return []
    if (name === undefined) {
      const near = nearest(variable, environmentNames.keys())
      draft.warnings.push({
        where: variable,
        message: `there is no such option${near === null ? '' : `; did you mean ${near}?`}`,
      })
      return []
    }
    const { list, type } = optionOf(name)
    const texts = list ? value.split(type.commaSeparated ? /[\s,]+/ : '\n').filter((text) => text !== '') : [value]
    return texts.map((text) => ({ name, text, origin: { source: 'environment', variable } as const }))
  })
}

// `Verbose` has no variable of its own, because WEBRTC_STACK_VERBOSE is `verbose`.
const environmentNames: ReadonlyMap<string, OptionName> = new Map(
  optionNames.toReversed().map((name) => [`${ENVIRONMENT_PREFIX}${name.toUpperCase().replaceAll('-', '_')}`, name]),
)

/** Says once for each option what becomes of it when it does not simply work. */
function reportStates(draft: Draft, settings: readonly Setting[]): void {
  for (const [name, origins] of draft.origins) {
    const { state, default: unset, caution } = optionOf(name)
    const isDefault = draft.values[name] === unset
    if (state.kind === 'not built yet' && !isDefault) draft.warn(name, `is not built yet: ${state.instead}`)
    if (state.kind === 'without effect' && state.instead !== null && !isDefault)
      draft.warn(name, `has no effect: ${state.instead}`)
    if (caution !== null && !isDefault && origins.length > 0) draft.warn(name, caution)
  }
  // Only the last of several user databases counts, so it is the one to speak about.
  const refused = settings.findLast(({ name }) => optionOf(name).state.kind === 'refused')
  const state = refused === undefined ? null : optionOf(refused.name).state
  if (refused !== undefined && state?.kind === 'refused') draft.problem(refused.name, 'cannot be used', state.fix)
}

function shortest(absolute: string, fromHere: string): string {
  return fromHere.startsWith('..') || fromHere.length > absolute.length ? absolute : fromHere
}
