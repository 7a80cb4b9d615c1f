import type { AddressInfo } from 'node:net'
import pc from 'picocolors'
import type { LoadedConfig } from '../config/load.ts'
import type { Config } from '../config/options.ts'
import { isWildcard } from '../net/listen/interfaces.ts'
import { bracketed, lanAddress, type TurnAddresses, turnHost } from './addresses.ts'
import type { CertificateFiles } from './certificate.ts'
import { type Advice, relayAdvice } from './relay-advice.ts'
import type { RunningTurn } from './turn.ts'
import type { RunningWeb } from './web/web.ts'

interface Started {
  readonly loaded: LoadedConfig
  readonly addresses: TurnAddresses
  readonly files: CertificateFiles | null
  readonly turn: RunningTurn | null
  readonly web: RunningWeb | null
}

/** What a person wants to read after the start: where to go, how to log in, and what to mend. */
export function summary(started: Started): string {
  const sections = [pages(started), signaling(started), uris(started), logins(started), settings(started)].filter(
    (lines) => lines.length > 1,
  )
  const remarks = advice(started).flatMap(({ trouble, fix }) => [
    `  ${pc.yellow('!')} ${trouble}`,
    `    ${pc.dim(fix)}`,
  ])
  return [
    `${pc.bold('webrtc-stack')} ${__VERSION__}`,
    '',
    ...sections.flatMap(([title, ...lines]) =>
      lines.map((line, i) => `  ${pc.dim((i === 0 ? title! : '').padEnd(10))} ${line}`),
    ),
    ...(remarks.length === 0 ? [] : ['', ...remarks]),
    '',
  ].join('\n')
}

function pages({ loaded: { config }, addresses, web }: Started): string[] {
  if (web === null) return ['Open']
  const lines: string[] = []
  if (config['public-host'] !== null) lines.push(pc.cyan(publicUrl(config, web)))
  if (web.https !== null) lines.push(...urls('https', web.https, config, addresses).map((url) => pc.cyan(url)))
  if (web.http !== null) {
    const [here, ...elsewhere] = urls('http', web.http, config, addresses)
    lines.push(
      pc.cyan(here!),
      ...elsewhere.map((url) => `${pc.cyan(url)}  ${pc.dim('no camera here: browsers want HTTPS')}`),
    )
  }
  return ['Open', ...lines]
}

/** The address that `public-host` makes: through the proxy if there is one, else on our own port. */
function publicUrl(config: Config, { http, https }: RunningWeb): string {
  const isProxied = config['trusted-proxy'].length > 0
  const scheme = isProxied || https !== null ? 'https' : 'http'
  const port = isProxied || /:\d+$/.test(config['public-host']!) ? null : ((https ?? http)?.port ?? null)
  return `${scheme}://${config['public-host']}${port === null ? '' : portText(scheme, port)}`
}

function urls(scheme: 'http' | 'https', at: AddressInfo, config: Config, addresses: TurnAddresses): string[] {
  return hostsOf(config, addresses).map((host) => `${scheme}://${bracketed(host)}${portText(scheme, at.port)}`)
}

/** How pages and signaling are reached: from this machine, then from others. */
function hostsOf({ host }: Config, { own }: TurnAddresses): string[] {
  if (!isWildcard(host)) return [host]
  const lan = lanAddress(own)
  return lan === null ? ['localhost'] : ['localhost', lan.host]
}

function portText(scheme: 'http' | 'https', port: number): string {
  return port === (scheme === 'https' ? 443 : 80) ? '' : `:${port}`
}

function signaling({ loaded: { config }, web, addresses }: Started): string[] {
  if (web?.collider == null) return ['Signaling']
  const host = hostsOf(config, addresses).at(-1)!
  const also = web.http === null ? '' : pc.dim("  and /ws on the page's port")
  return ['Signaling', `${web.collider.tls ? 'wss' : 'ws'}://${bracketed(host)}:${web.collider.port}/ws${also}`]
}

/** Where clients find STUN and TURN. */
export function turnUris(config: Config, addresses: TurnAddresses, turn: RunningTurn | null): string[] {
  if (turn === null) return []
  const { udp, tcp, tls, dtls } = turn.ports
  const at = turnHost(config, addresses)
  const kind = config['stun-only'] ? 'stun' : 'turn'
  return [
    ...(udp === null ? [] : [`${kind}:${at}:${udp}${kind === 'turn' ? '?transport=udp' : ''}`]),
    ...(tcp === null ? [] : [`${kind}:${at}:${tcp}${kind === 'turn' ? '?transport=tcp' : ''}`]),
    ...(tls === null ? [] : [`${kind}s:${at}:${tls}${kind === 'turn' ? '?transport=tcp' : ''}`]),
    ...(dtls === null ? [] : [`${kind}s:${at}:${dtls}?transport=udp`]),
  ]
}

function uris({ turn, loaded: { config }, addresses }: Started): string[] {
  return [config['stun-only'] ? 'STUN' : 'TURN', ...turnUris(config, addresses, turn)]
}

function logins({ loaded: { config }, turn, web }: Started): string[] {
  if (turn === null || config['stun-only']) return ['Login']
  const lines: string[] = []
  if (config['no-auth']) lines.push('nobody has to log in (no-auth)')
  if (config['static-auth-secret'].length > 0) {
    const handedOut = web?.http == null ? '' : ', handed out at /v1alpha/iceconfig'
    lines.push(`time-limited, from the shared secret${handedOut}`)
  }
  if (config.user.length > 0 && !config['no-auth']) {
    const names = config.user.map(({ name }) => name)
    lines.push(`accounts: ${names.slice(0, 3).join(', ')}${names.length > 3 ? ` and ${names.length - 3} more` : ''}`)
  }
  return ['Login', ...lines]
}

function settings({ loaded: { file } }: Started): string[] {
  return ['Settings', file ?? pc.dim('no configuration file, so the defaults')]
}

function advice({ loaded, files, web, addresses, turn }: Started): Advice[] {
  const { config, origins } = loaded
  const found: Advice[] = []
  if (web !== null && files === null && config['trusted-proxy'].length === 0) {
    found.push({
      trouble: 'No certificate: browsers give the page camera and microphone on localhost only.',
      fix: 'Set cert= and pkey=, or start with --dev for a certificate made on the spot.',
    })
  }
  if (files?.selfSigned) {
    found.push({
      trouble: 'The certificate was made for this run: browsers warn about it, phone apps refuse it.',
      fix: 'For more than trying out, set cert= and pkey=.',
    })
  }
  if (
    turn !== null &&
    !config['no-auth'] &&
    config['static-auth-secret'].length > 0 &&
    config.user.length === 0 &&
    !origins.has('static-auth-secret')
  ) {
    found.push({
      trouble: 'The TURN secret is random and lasts for this run only.',
      fix: '`webrtc-stack init` writes a turnserver.conf with a lasting one.',
    })
  }
  if (
    turn !== null &&
    !config['no-auth'] &&
    !config['stun-only'] &&
    config['static-auth-secret'].length === 0 &&
    config.user.length === 0
  ) {
    found.push({
      trouble: 'Nobody can relay: there is neither a user nor a secret.',
      fix: 'Set user= or static-auth-secret=; `webrtc-stack init` writes a file with a fresh one.',
    })
  }
  if (turn !== null && config['no-auth']) {
    found.push({
      trouble: 'Anybody who finds this server can relay through it (no-auth).',
      fix: 'Take no-auth out; time-limited credentials are then made by themselves.',
    })
  }
  if (turn !== null) found.push(...relayAdvice(config, addresses))
  return found
}
