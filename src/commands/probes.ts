import { parseServerUri, type ServerUri } from '../client/uri.ts'
import { openWire, type Wire } from '../client/wire.ts'
import { UsageError } from '../config/config-error.ts'
import type { Flags } from '../config/flags.ts'
import { loadConfig } from '../config/load.ts'
import type { Finding } from '../doctor/finding.ts'
import { relayFinding } from '../doctor/relay.ts'
import { natFinding, stunFinding } from '../doctor/stun.ts'
import { noAddress, probeLogin, targetsOf } from '../doctor/targets.ts'
import type { Credentials } from '../turn/auth/credentials.ts'
import { report } from './findings.ts'
import type { Terminal } from './terminal.ts'

/** The login that `turn` and `doctor` are given. */
export interface LoginWords {
  readonly user?: string
  readonly password?: string
  /** True alone stands for that of the configuration. */
  readonly secret?: string | true
}

/** Flags that stand for something else behind `turn` than in the configuration. */
export const LOGIN_FLAGS: ReadonlySet<string> = new Set(['u', 'w', 'user', 'password', 'secret'])

/** Asks a STUN server where it sees this machine. */
export async function stun(text: string, asked: { readonly json?: true }, terminal: Terminal): Promise<number> {
  const uri = readUri(text, 'stun')
  const findings = await withWire(async (wire) => {
    const isUri = /^(stun|turn)s?:/i.test(text)
    const targets = await targetsOf(uri, isUri ? [uri.transport] : ['udp', 'tcp', 'tls', 'dtls'])
    if (targets.length === 0) return [noAddress(uri)]
    const found = await Promise.all(targets.map((target) => stunFinding(wire, target)))
    const plain = targets.find(({ transport }, i) => transport === 'udp' && found[i]!.level === 'ok')
    const nat = plain === undefined ? null : await natFinding(wire, plain.server)
    return [...(isUri ? found : tolerant(found)), ...(nat === null ? [] : [nat])]
  })
  return report(findings, asked, terminal)
}

/** Makes two allocations at a TURN server and relays between them. */
export async function turn(
  flags: Flags,
  text: string,
  asked: LoginWords & { readonly json?: true },
  terminal: Terminal,
): Promise<number> {
  const uri = readUri(text, 'turn')
  const login = await readLogin(flags, asked)
  const findings = await withWire(async (wire) => {
    const targets = await targetsOf(uri, [uri.transport])
    if (targets.length === 0) return [noAddress(uri)]
    return await Promise.all(targets.map((target) => relayFinding(wire, target, login)))
  })
  return report(findings, asked, terminal)
}

/** Null where nobody is to log in. */
export async function readLogin(flags: Flags, { user, password, secret }: LoginWords): Promise<Credentials | null> {
  if (user !== undefined && password !== undefined) return { username: user, password }
  if (user !== undefined || password !== undefined) throw new UsageError('--user and --password go together')
  if (secret === undefined) return null
  const { config, origins } = await loadConfig(flags)
  const configured = origins.has('static-auth-secret') ? config['static-auth-secret'][0]?.reveal() : undefined
  const shared = secret === true ? configured : secret
  if (shared === undefined)
    throw new UsageError('the configuration here has no static-auth-secret; give it: --secret=TEXT')
  return probeLogin(shared, config['rest-api-separator'])
}

export async function withWire<Result>(act: (wire: Wire) => Promise<Result>): Promise<Result> {
  const wire = openWire()
  try {
    return await act(wire)
  } finally {
    await wire.close()
  }
}

/** Throws UsageError. */
export function readUri(text: string, bare: 'stun' | 'turn'): ServerUri {
  const uri = parseServerUri(text, { bare })
  if (typeof uri === 'string') throw new UsageError(uri)
  return uri
}

/** Nobody has said which transports the server has: one that answers is enough. */
function tolerant(found: readonly Finding[]): Finding[] {
  if (found.every(({ level }) => level !== 'ok')) return [...found]
  return found.map((finding) => (finding.level === 'failure' ? { ...finding, level: 'warning' } : finding))
}
