import type { ServerUri } from '../client/uri.ts'
import type { Wire } from '../client/wire.ts'
import type { LoadedConfig } from '../config/load.ts'
import type { Config } from '../config/options.ts'
import { isWildcard } from '../net/listen/interfaces.ts'
import { bracketed, type TurnAddresses, turnAddresses } from '../start/addresses.ts'
import { relayAdvice } from '../start/relay-advice.ts'
import type { Address } from '../stun/address.ts'
import type { Credentials } from '../turn/auth/credentials.ts'
import type { ClientTransport } from '../turn/five-tuple.ts'
import { dnsVerdicts, recordsOf } from './dns.ts'
import { externalFindings } from './external-ip.ts'
import { type Finding, ok, warning } from './finding.ts'
import type { IceServer } from './ice-servers.ts'
import { clockFinding, kernelFindings, limitVerdicts, readLimits } from './machine.ts'
import { isTurnAlone } from './owners.ts'
import { lookAtPorts } from './ports.ts'
import { relayFinding } from './relay.ts'
import { lookAtRooms, type RoomsSeen } from './rooms.ts'
import { stunFinding, type Target } from './stun.ts'
import { probeLogin } from './targets.ts'
import { certificateFindings } from './there.ts'

export interface LookHere {
  /** Asked for the address that strangers see; nobody is asked without. */
  readonly stunServer: ServerUri | null
}

/** The server of this configuration on this machine, running or not. */
export async function lookHere(wire: Wire, loaded: LoadedConfig, { stunServer }: LookHere): Promise<Finding[]> {
  const { config } = loaded
  const addresses = turnAddresses(config)
  const ports = await lookAtPorts(config)
  const machine = [
    ...limitVerdicts(readLimits(ports.server ? ports.server.pid : null), config['sock-buf-size']),
    ...kernelFindings(config),
    clockFinding(),
  ]
  const outside = config.turn ? await externalFindings(wire, addresses, stunServer) : []
  const dns = config['public-host'] === null ? [] : await dnsFindings(config, addresses)
  const standing = [
    configurationFinding(loaded),
    ...ports.findings,
    ...machine,
    ...dns,
    ...outside,
    ...adviceFindings(config, addresses),
  ]
  if (ports.server === false) return standing

  const hasPage = config.rooms && !(ports.server && isTurnAlone(ports.server))
  const rooms: RoomsSeen = hasPage
    ? await lookAtRooms(pageUrl(config), config['public-host'] === null ? null : hostOf(config))
    : { findings: [], iceServers: [], aheadSeconds: null }
  const [certificates, turn] = await Promise.all([
    certificatesOf(config, addresses, hasPage),
    config.turn ? turnFindings(wire, loaded, addresses, rooms.iceServers) : [],
  ])
  return [...standing, ...certificates, ...rooms.findings, ...turn]
}

function configurationFinding({ file, warnings }: LoadedConfig): Finding {
  const text = file === null ? 'no file: the defaults' : file
  return warnings.length === 0
    ? ok('configuration', text)
    : warning(
        'configuration',
        `${text}, with ${warnings.length} warning${warnings.length === 1 ? '' : 's'}`,
        'webrtc-stack check-config shows them',
      )
}

function adviceFindings(config: Config, addresses: TurnAddresses): Finding[] {
  return config.turn ? relayAdvice(config, addresses).map(({ trouble, fix }) => warning('relay', trouble, fix)) : []
}

async function dnsFindings(config: Config, { external, listening }: TurnAddresses): Promise<Finding[]> {
  const host = hostOf(config)
  const own = (external.length > 0 ? external : listening.filter(({ isLoopback }) => !isLoopback)).map(
    (address) => address.host,
  )
  const [plain, secure] = [config['listening-port'], config['tls-listening-port']]
  const ports = { '_turn._udp': plain, '_turn._tcp': plain, '_turns._tcp': secure, '_stun._udp': plain }
  return dnsVerdicts(host, await recordsOf(host), own, ports)
}

/** Without the port that `public-host` may have. */
function hostOf(config: Config): string {
  return config['public-host']!.replace(/:\d+$/, '')
}

/** One of the ports that show the certificate: all show the same. */
async function certificatesOf(config: Config, addresses: TurnAddresses, hasPage: boolean): Promise<Finding[]> {
  if (config.cert === null) return []
  const names = config['public-host'] === null ? [] : [hostOf(config)]
  if (hasPage) return await certificateFindings('certificate', pageUrl(config).hostname, config['https-port'], names)
  const [address] = probed(addresses)
  if (!config.turn || config['no-tls'] || address === undefined) return []
  return await certificateFindings('certificate', address.host, config['tls-listening-port'], names)
}

/** The page on this machine, without the proxy that may stand before it. */
function pageUrl(config: Config): URL {
  return new URL(`http://${isWildcard(config.host) ? '127.0.0.1' : bracketed(config.host)}:${config['http-port']}`)
}

async function turnFindings(
  wire: Wire,
  loaded: LoadedConfig,
  addresses: TurnAddresses,
  handedOut: readonly IceServer[],
): Promise<Finding[]> {
  const { config } = loaded
  const targets = targetsHere(config, addresses)
  const stun = config['no-stun'] || config['secure-stun'] ? [] : targets.map((target) => stunFinding(wire, target))
  if (config['stun-only']) return await Promise.all(stun)
  const logins = loginsOf(loaded, handedOut)
  if (logins.length === 0 && !config['no-auth']) {
    const nobody = warning(
      'TURN',
      'not tried: the configuration has no login whose password is known',
      'webrtc-stack turn URI -u NAME -w PASSWORD',
    )
    return [...(await Promise.all(stun)), nobody]
  }
  const [first = null, ...others] = logins
  const relays = targets.map((target) => relayFinding(wire, target, first?.() ?? null))
  // A login of another kind is asked for once: what carries it has been seen.
  const kinds = others.map((login) => relayFinding(wire, targets[0]!, login(), ' user'))
  return await Promise.all([...stun, ...relays, ...(targets.length > 0 ? kinds : [])])
}

/**
 * A name of the secret first, then a static user, or what the room server hands out where only this run knows the secret. Names of the
 * secret are new each time, so that `user-quota` counts each probe by itself.
 */
function loginsOf({ config, origins }: LoadedConfig, handedOut: readonly IceServer[]): (() => Credentials)[] {
  const secret = origins.has('static-auth-secret') ? config['static-auth-secret'][0] : undefined
  const user = config.user.find(({ password }) => password !== null)
  const given = handedOut.find(
    ({ url, username, credential }) => /^turns?:/.test(url) && username !== null && credential !== null,
  )
  const known = [
    ...(secret === undefined ? [] : [() => probeLogin(secret.reveal(), config['rest-api-separator'])]),
    ...(user === undefined ? [] : [() => ({ username: user.name, password: user.password!.reveal() })]),
  ]
  return known.length > 0 || given === undefined
    ? known
    : [() => ({ username: given.username!, password: given.credential! })]
}

function targetsHere(config: Config, addresses: TurnAddresses): Target[] {
  const [plain, secure] = [config['listening-port'], config['tls-listening-port']]
  const hasTls = config.cert !== null && !config['no-tls']
  const viaProxy = config['tcp-proxy-port'] > 0
  const ways: (readonly [ClientTransport, number])[] = [
    ...(config['no-udp'] ? [] : [['udp', plain] as const]),
    ...(config['no-tcp'] || viaProxy ? [] : [['tcp', plain] as const]),
    ...(hasTls && !viaProxy ? [['tls', secure] as const] : []),
    ...(hasTls && config.dtls && !config['no-udp'] ? [['dtls', secure] as const] : []),
  ]
  return probed(addresses).flatMap((address) =>
    ways.map(([transport, port]) => ({ transport, server: address.withPort(port), serverName: null })),
  )
}

/** Of each family the first listening address, one that others reach before loopback. */
function probed({ listening, relay }: TurnAddresses): Address[] {
  return ([4, 6] as const).flatMap((family) => {
    const candidates = listening.filter((address) => address.family === family)
    const first = candidates.find(({ isLoopback }) => !isLoopback) ?? candidates[0]
    // A family that only listens has nothing to relay from.
    return first === undefined || !relay.some((address) => address.family === family) ? [] : [first]
  })
}
