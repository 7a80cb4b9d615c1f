import type { Option } from './option.ts'
import { admin } from './options/admin.ts'
import { authentication } from './options/authentication.ts'
import { databases } from './options/databases.ts'
import { logging } from './options/logging.ts'
import { network } from './options/network.ts'
import { peers } from './options/peers.ts'
import { processOptions } from './options/process.ts'
import { relay } from './options/relay.ts'
import { retired } from './options/retired.ts'
import { rooms } from './options/rooms.ts'
import { signaling } from './options/signaling.ts'
import { subsystems } from './options/subsystems.ts'
import { tls } from './options/tls.ts'

/** Every key there is: the file, the environment, the flags, help, the example file and the checks all read this table. */
export const options = {
  ...subsystems,
  ...rooms,
  ...signaling,
  ...network,
  ...relay,
  ...authentication,
  ...peers,
  ...tls,
  ...logging,
  ...admin,
  ...databases,
  ...processOptions,
  ...retired,
}

export type OptionName = keyof typeof options

/** The value of every option, read-only; built by load.ts alone. */
export type Config = {
  readonly [Name in OptionName]: (typeof options)[Name] extends Option<infer Value> ? Value : never
}

export interface Group {
  readonly title: string
  readonly names: readonly OptionName[]
}

/** The same options in the order in which people read them. */
export const groups: readonly Group[] = [
  group('Servers', subsystems),
  group('Rooms', rooms),
  group('Signaling', signaling),
  group('STUN and TURN: listeners', network),
  group('TURN: relay and quotas', relay),
  group('TURN: who may use it', authentication),
  group('TURN: peers', peers),
  group('TLS', tls),
  group('Logging', logging),
  group('Metrics and administration', admin),
  group('Databases', databases),
  group('Process', processOptions),
  group('Old keys, accepted', retired),
]

/** What no file written for coturn has. */
export const ownOptionNames: ReadonlySet<string> = new Set(
  [subsystems, rooms, signaling].flatMap((members) => Object.keys(members)),
)

export const optionNames = Object.keys(options) as readonly OptionName[]

export function isOptionName(name: string): name is OptionName {
  return Object.hasOwn(options, name)
}

/** What `no-rooms` negates: a switch, unless coturn has a key of that whole name. */
export function negatedSwitch(written: string): OptionName | null {
  const name = written.startsWith('no-') ? written.slice(3) : ''
  return !isOptionName(written) && isOptionName(name) && isSwitch(name) ? name : null
}

/** Whether it is on or off and nothing else, so that its bare name switches it on. */
export function isSwitch(name: OptionName): boolean {
  return optionOf(name).type.bare === true
}

/** The option as its plain interface, when the name is known only at run time. */
export function optionOf(name: OptionName): Option {
  return options[name]
}

function group(title: string, members: Partial<Record<OptionName, Option>>): Group {
  return { title, names: Object.keys(members) as OptionName[] }
}
