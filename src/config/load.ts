import { randomBytes } from 'node:crypto'
import { lookup } from 'node:dns/promises'
import { existsSync, readFileSync } from 'node:fs'
import { networkInterfaces } from 'node:os'
import { dirname, relative } from 'node:path'
import { ConfigError } from './config-error.ts'
import { Draft } from './draft.ts'
import { findFile, type Places } from './file/find-file.ts'
import type { Surroundings } from './file/surroundings.ts'
import { type Line, parseLines } from './file/syntax.ts'
import { unknownKeyAdvice } from './file/unknown-key.ts'
import type { Flags } from './flags.ts'
import { nearest } from './nearest.ts'
import { firstWritable, operatorSocketPlaces } from './operator-socket.ts'
import {
  type Config,
  isOptionName,
  isSwitch,
  negatedSwitch,
  type OptionName,
  optionNames,
  optionOf,
  ownOptionNames,
} from './options.ts'
import { resolveAddresses } from './rules/addresses.ts'
import { findCertificates } from './rules/certificates.ts'
import { settleDatabases } from './rules/databases.ts'
import { applyRules } from './rules/rules.ts'
import type { Origin, Setting, Warning } from './setting.ts'

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
  const lines = file === null ? { settings: [], unknown: [] } : linesOf(file, surroundings, draft)
  const settings = [...lines.settings, ...environmentSettings(surroundings.environment, draft), ...flags.settings]
  draft.apply(settings)
  reportUnknown(draft, lines.unknown)
  reportStates(draft)
  await resolveAddresses(draft, surroundings)
  findCertificates(draft, surroundings)
  settleDatabases(draft, settings, surroundings.accountFile)
  applyRules(draft, surroundings)
  draft.values['operator-socket'] ??= surroundings.operatorSocket
  if (file !== null) reportServersBeside(draft, file)

  const [first, ...others] = draft.problems.toSorted((a, b) => (a.line ?? Infinity) - (b.line ?? Infinity) || 0)
  if (first !== undefined) throw first.with(withoutTheRest(others))
  return Object.freeze({
    config: Object.freeze({ ...draft.values }),
    origins: draft.origins,
    warnings: Object.freeze(draft.warnings),
    file,
  })
}

/**
 * Where a running server may have its operator's socket: what flags, environment or file name, or else all usual places. Whatever
 * else is wrong with the file does not matter here.
 */
export function findOperatorSocket(
  flags: Pick<Flags, 'settings' | 'file'>,
  surroundings: Places & Pick<Surroundings, 'environment'> = thisMachine(),
): readonly string[] {
  const draft = new Draft()
  const file = flags.file === false ? null : locate(flags.file, surroundings, draft)
  const lines = file === null ? [] : linesOf(file, surroundings, draft).settings
  const settings = [...lines, ...environmentSettings(surroundings.environment, draft), ...flags.settings]
  draft.apply(settings.filter(({ name }) => name === 'operator-socket'))
  const path = draft.values['operator-socket']
  if (path === false) return []
  return path === null ? operatorSocketPlaces(surroundings.environment) : [path]
}

function withoutTheRest(others: readonly ConfigError[]): readonly ConfigError[] {
  const left = others.length - MAX_PROBLEMS
  if (left <= 0) return others
  const rest = new ConfigError({ where: null, message: `and ${left} more problems like these`, fix: null })
  return [...others.slice(0, MAX_PROBLEMS), rest]
}

const ACCOUNT_FILES = ['/var/lib/turn/turndb', '/var/db/turndb', '/usr/local/var/db/turndb']

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
    accountFile: ACCOUNT_FILES.find((path) => existsSync(path)) ?? null,
    domainName: nisDomain(),
    operatorSocket: firstWritable(operatorSocketPlaces(process.env)),
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

interface UnknownLine {
  readonly where: string
  readonly file: string
  readonly line: Line
}

/** What a file sets, and its lines that set nothing there is. */
function linesOf(
  path: string,
  { directory }: Places,
  draft: Draft,
): { settings: readonly Setting[]; unknown: readonly UnknownLine[] } {
  const shown = shortest(path, relative(directory, path))
  const settings: Setting[] = []
  const unknown: UnknownLine[] = []
  for (const line of parseLines(readText(path))) {
    const { number, name: written, value, endsInSemicolon } = line
    const where = `${shown}:${number}`
    const negated = negatedSwitch(written)
    const name = negated ?? written
    if (!isOptionName(name)) {
      unknown.push({ where, file: shown, line })
      continue
    }
    if (endsInSemicolon)
      draft.warnings.push({ where, message: `"${name}": the ";" at the end of the line belongs to the value` })
    if (Buffer.byteLength(value ?? '') > MAX_LINE_BYTES) {
      const message = `"${name}" has a value longer than ${MAX_LINE_BYTES} bytes`
      draft.problems.push(new ConfigError({ where, file: shown, line: number, key: name, message, fix: null }))
      continue
    }
    const origin = { source: 'file', file: shown, line: number } as const
    settings.push({ name, text: value, origin, ...(negated === null ? {} : { negated: true }) })
  }
  return { settings, unknown }
}

/** Unknown keys stop the start, unless somebody who needs the server now has said otherwise. */
function reportUnknown(draft: Draft, unknown: readonly UnknownLine[]): void {
  if (draft.values['ignore-unknown-keys']) {
    for (const { where, line } of unknown.slice(0, MAX_PROBLEMS))
      draft.warnings.push({ where, message: `unknown key "${shortName(line.name)}" is ignored` })
    const left = unknown.length - MAX_PROBLEMS
    if (left > 0) draft.warnings.push({ where: null, message: `and ${left} more unknown keys` })
    return
  }
  unknown.forEach(({ where, file, line }, index) => {
    // Looking for the nearest key takes time, and nobody reads so many answers.
    const fix = index > MAX_PROBLEMS ? null : unknownKeyAdvice(line)
    const message = `unknown key "${line.name}"`
    draft.problems.push(new ConfigError({ where, file, line: line.number, key: line.name, message, fix }))
  })
  if (unknown.length === 0) return
  const message = 'unknown keys stop the start, because a mistyped one may have been there to protect something'
  draft.problems.push(new ConfigError({ where: null, message, fix: '--ignore-unknown-keys starts all the same' }))
}

function shortName(name: string): string {
  return name.length > 80 ? `${name.slice(0, 80)}…` : name
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

function environmentSettings(environment: Surroundings['environment'], draft: Draft): Setting[] {
  return Object.entries(environment).flatMap(([variable, value]) => {
    if (!variable.startsWith(ENVIRONMENT_PREFIX) || variable.startsWith(TEST_PREFIX) || !value) return []
    const negated = negatedVariables.get(variable)
    const name = environmentNames.get(variable) ?? negated
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
    return texts.map((text) => ({
      name,
      text,
      origin: { source: 'environment', variable } as const,
      ...(name === negated ? { negated: true as const } : {}),
    }))
  })
}

// `Verbose` has no variable of its own, because WEBRTC_STACK_VERBOSE is `verbose`.
const environmentNames: ReadonlyMap<string, OptionName> = new Map(
  optionNames.toReversed().map((name) => [variableOf(name), name]),
)

/** WEBRTC_STACK_NO_ROOMS, as `no-rooms` in a file. */
const negatedVariables: ReadonlyMap<string, OptionName> = new Map(
  optionNames
    .filter((name) => isSwitch(name) && !environmentNames.has(variableOf(`no-${name}`)))
    .map((name) => [variableOf(`no-${name}`), name]),
)

function variableOf(name: string): string {
  return `${ENVIRONMENT_PREFIX}${name.toUpperCase().replaceAll('-', '_')}`
}

/** Says once for each option what becomes of it when it does not simply work. */
function reportStates(draft: Draft): void {
  for (const [name, origins] of draft.origins) {
    const { state, default: unset, caution } = optionOf(name)
    const isDefault = draft.values[name] === unset
    if (state.kind === 'not built yet' && !isDefault) draft.warn(name, `is not built yet: ${state.instead}`)
    if (state.kind === 'without effect' && state.instead !== null && !isDefault)
      draft.warn(name, `has no effect: ${state.instead}`)
    if (caution !== null && !isDefault && origins.length > 0) draft.warn(name, caution)
  }
}

/** A file that was written for coturn says nothing of the two servers that `serve` opens beside TURN. */
function reportServersBeside(draft: Draft, file: string): void {
  const { values } = draft
  if (draft.origins.size === 0 || [...draft.origins.keys()].some((name) => ownOptionNames.has(name))) return
  const handsOut = draft.isGiven('static-auth-secret') && !values['stun-only']
  const secret = handsOut ? ', and hands out TURN credentials made of static-auth-secret to anybody who asks' : ''
  draft.warnings.push({
    where: file,
    message: `has coturn's keys alone: \`serve\` also opens the call page on port ${values['http-port']} and signaling on ${values.port}${secret}; for TURN alone start \`webrtc-stack turnserver\`, or set rooms=off and signaling=off`,
  })
}

function shortest(absolute: string, fromHere: string): string {
  return fromHere.startsWith('..') || fromHere.length > absolute.length ? absolute : fromHere
}
