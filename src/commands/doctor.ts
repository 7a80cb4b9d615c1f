import { parseServerUri, type ServerUri } from '../client/uri.ts'
import { UsageError } from '../config/config-error.ts'
import type { Flags } from '../config/flags.ts'
import { loadConfig } from '../config/load.ts'
import { report } from './findings.ts'
import { type LoginWords, readLogin, readUri, withWire } from './probes.ts'
import type { Terminal } from './terminal.ts'

export interface DoctorWords extends LoginWords {
  readonly stunServer?: string
  readonly json?: true
}

/** Looks at the server of this configuration, or at the page or the STUN and TURN servers that are named. */
export async function doctor(
  flags: Flags,
  addresses: readonly string[],
  asked: DoctorWords,
  terminal: Terminal,
): Promise<number> {
  const stunServer = asked.stunServer === undefined ? null : readUri(asked.stunServer, 'stun')
  const login = await readLogin(flags, asked)
  const targets = addresses.map(readTarget)
  const findings = await withWire(async (wire) => {
    // Loaded late, so that help comes at once.
    const { lookHere } = await import('../doctor/here.ts')
    const { lookAtPage, lookAtUri } = await import('../doctor/there.ts')
    if (targets.length === 0) return await lookHere(wire, await loadConfig(flags), { stunServer })
    const looks = targets.map((target) =>
      target instanceof URL ? lookAtPage(wire, target, login) : lookAtUri(wire, target, login),
    )
    return (await Promise.all(looks)).flat()
  })
  return report(findings, asked, terminal)
}

function readTarget(text: string): URL | ServerUri {
  if (!/^https?:\/\//i.test(text)) {
    const uri = parseServerUri(text, { bare: 'turn' })
    if (typeof uri === 'string' || !/^(stun|turn)s?:/i.test(text))
      throw new UsageError(`"${text}": doctor takes https://HOST/ of a call page, or stun: and turn: URIs`)
    return uri
  }
  try {
    return new URL(text)
  } catch {
    throw new UsageError(`"${text}" is no URL`)
  }
}
