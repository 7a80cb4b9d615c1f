import type { Secret } from './secret.ts'
import { boolean } from './values/booleans.ts'
import { integer, lifetimeSeconds, port } from './values/numbers.ts'
import { optionalSecret } from './values/text.ts'
import type { ValueType } from './values/value-type.ts'

/** What becomes of an option that somebody sets. */
export type State =
  | { readonly kind: 'works' }
  /** Known, planned, and without effect today: the warning says what happens instead. */
  | { readonly kind: 'not built yet'; readonly instead: string }
  /** Known from coturn and not needed here; null when there is nothing to tell, because the effect is our default. */
  | { readonly kind: 'without effect'; readonly instead: string | null }

/** When a value that is changed while the server runs takes effect: for calls that run too, for what begins afterwards, or not before a restart. */
export type Applies = 'at once' | 'to new clients' | 'after a restart'

export interface Option<Value = unknown> {
  /** For a list: the type of one entry. */
  // biome-ignore lint/suspicious/noExplicitAny: a table of options of every type; `Value` ties each default to its type
  readonly type: ValueType<any>
  readonly default: Value
  readonly list: boolean
  readonly help: string
  readonly short: string | null
  /** How help and the example name a default that is worked out at start. */
  readonly defaultNote: string | null
  readonly state: State
  /** Said at start when the option is in force: it works, and has a price. */
  readonly caution: string | null
  /** Null for an option without effect. */
  readonly applies: Applies | null
}

export interface Details {
  readonly short?: string
  readonly defaultNote?: string
  readonly state?: State
  readonly caution?: string
  /** Where it differs from the options around it. */
  readonly applies?: Applies
}

const works: State = { kind: 'works' }
export const notBuiltYet = (instead: string): State => ({ kind: 'not built yet', instead })
export const withoutEffect = (instead: string | null): State => ({ kind: 'without effect', instead })

/** What help and the example say about an option that does not simply work. */
export function stateNote(state: State): string[] {
  if (state.kind === 'works' || (state.kind === 'without effect' && state.instead === null)) return []
  return [state.kind === 'without effect' ? state.kind : 'not built yet']
}

/** What help and the example say about a change while the server runs. */
export function appliesNote({ applies }: Option): string[] {
  return applies === null ? [] : [`applies ${applies}`]
}

/** The options of a group, those that say nothing else with what holds for most of them. */
export function applying<Group extends Readonly<Record<string, Option>>>(most: Applies, group: Group): Group {
  const settled = Object.entries(group).map(([name, each]) => {
    const applies = each.state.kind === 'works' ? (each.applies ?? most) : null
    return [name, { ...each, applies }]
  })
  // The same options under the same names.
  return Object.fromEntries(settled) as Group
}

export function option<Value>(
  type: ValueType<Value>,
  defaultValue: NoInfer<Value>,
  help: string,
  details: Details = {},
): Option<Value> {
  return { ...complete(details), type, default: defaultValue, list: false, help }
}

/** An option that may be repeated; what is given takes the place of the default. */
export function list<Item>(
  type: ValueType<Item>,
  help: string,
  details: Details & { readonly default?: readonly Item[] } = {},
): Option<readonly Item[]> {
  return { ...complete(details), type, default: details.default ?? [], list: true, help }
}

export function flag(defaultValue: boolean, help: string, details: Details = {}): Option<boolean> {
  return option(boolean, defaultValue, help, details)
}

export function portOption(defaultValue: number, help: string, details: Details = {}): Option<number> {
  return option(port, defaultValue, help, details)
}

/** A number of which 0 turns the limit off. */
export function limit(defaultValue: number, help: string, details: Details = {}): Option<number> {
  return option(integer('N', 0, Number.MAX_SAFE_INTEGER), defaultValue, help, details)
}

export function seconds(defaultValue: number, help: string, details: Details = {}): Option<number> {
  return option(integer('SECONDS', 0, 1e9), defaultValue, help, details)
}

/** Seconds whose bare key stands for the default, as coturn has it. */
export function lifetime(defaultValue: number, help: string, details: Details = {}): Option<number> {
  return option(lifetimeSeconds(defaultValue), defaultValue, help, details)
}

export function secretOption(help: string, details: Details = {}): Option<Secret | null> {
  return option(optionalSecret('SECRET'), null, help, details)
}

function complete(details: Details): Omit<Option, 'type' | 'default' | 'list' | 'help'> {
  return {
    short: details.short ?? null,
    defaultNote: details.defaultNote ?? null,
    state: details.state ?? works,
    caution: details.caution ?? null,
    applies: details.applies ?? null,
  }
}
