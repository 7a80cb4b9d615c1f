import { UsageError } from '../config/config-error.ts'
import type { Flags } from '../config/flags.ts'
import { loadConfig } from '../config/load.ts'
import type { Config } from '../config/options.ts'
import { turnAddresses, turnHost } from '../start/addresses.ts'
import { mint } from '../turn/auth/credentials.ts'
import { ExitCode } from './exit-code.ts'
import type { Terminal } from './terminal.ts'

const LONGEST = 10 * 365 * 86_400

/** Prints a user name and password that the server with this configuration accepts for a while. */
export async function credentials(
  flags: Flags,
  asked: { readonly user: string | null; readonly lifetime: string; readonly json?: true },
  terminal: Terminal,
): Promise<number> {
  const lifetimeSeconds = Number(asked.lifetime)
  if (!Number.isInteger(lifetimeSeconds) || lifetimeSeconds < 1 || lifetimeSeconds > LONGEST)
    throw new UsageError(`--lifetime takes seconds, from 1 to ${LONGEST}`)
  const { config, origins } = await loadConfig(flags)
  const [secret] = config['static-auth-secret']
  if (secret === undefined || !origins.has('static-auth-secret')) {
    terminal.err(
      'no static-auth-secret in the configuration, so there is nothing to make credentials of; see webrtc-stack init',
    )
    return ExitCode.CONFIG
  }
  const { username, password } = mint(secret.reveal(), {
    userid: asked.user ?? undefined,
    lifetimeSeconds,
    wallMs: Date.now(),
    separator: config['rest-api-separator'],
  })
  const uris = turnUris(config)
  if (asked.json) {
    const iceServers = [{ urls: uris, username, credential: password }]
    terminal.out(JSON.stringify({ username, password, ttl: lifetimeSeconds, uris, iceServers }, null, 2))
  } else {
    terminal.out(
      [`username  ${username}`, `password  ${password}`, ...uris.map((uri) => `uri       ${uri}`)].join('\n'),
    )
  }
  return ExitCode.OK
}

function turnUris(config: Config): string[] {
  const host = turnHost(config, turnAddresses(config))
  const plain = `${host}:${config['listening-port']}`
  const secure = `${host}:${config['tls-listening-port']}`
  return [
    ...(config['no-udp'] ? [] : [`turn:${plain}?transport=udp`]),
    ...(config['no-tcp'] ? [] : [`turn:${plain}?transport=tcp`]),
    ...(config.cert === null || config['no-tls'] ? [] : [`turns:${secure}?transport=tcp`]),
  ]
}
