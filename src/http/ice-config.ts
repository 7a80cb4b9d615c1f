import type { Context } from 'hono'
import { mint } from '../turn/auth/credentials.ts'
import { randomDigits } from './announced.ts'
import type { Caller } from './caller.ts'
import type { App, Environment } from './environment.ts'
import { parseHost } from './host.ts'
import type { AddressLimits } from './limits.ts'
import type { HttpOptions, IceConfigOptions, IceServer } from './options.ts'

const DAY_SECONDS = 86_400

export interface IceConfigWorld {
  readonly options: HttpOptions
  /** Asked anew each time, so that a reload of the secret is seen. */
  iceConfig(): IceConfigOptions
  readonly limits: AddressLimits
  /** Unix milliseconds. */
  wallClock(): number
}

/** ICE servers with short-lived credentials, at the address of every client generation. */
export function iceConfigRoutes(app: App, world: IceConfigWorld): void {
  app.on(['GET', 'POST'], ['/v1alpha/iceconfig', '/turn', '/turn.php'], async (c) => {
    const wait = await world.limits.iceConfigWait(c.env.caller.block)
    if (wait > 0) return c.json({ error: 'Too many requests' }, 429, { 'Retry-After': String(wait) })
    return c.json(iceDocument(c.env.caller, userOf(c), world))
  })
}

/**
 * CEOD's and the ICE server provider's document in one: each generation takes what it knows. Old apps need `username`,
 * `password` and `uris`; the others `iceServers`, in which no entry may have an empty `urls`.
 */
function iceDocument(caller: Caller, user: string, world: IceConfigWorld): object {
  const { options, wallClock } = world
  const config = world.iceConfig()
  const lifetimeSeconds = Math.min(config.lifetimeSeconds, DAY_SECONDS)
  const { stun, turn } = urlsFor(caller, options, config)
  const credentials =
    config.secret === null || turn.length === 0
      ? null
      : mint(config.secret, { userid: user, lifetimeSeconds, wallMs: wallClock(), separator: config.separator })
  const iceServers: IceServer[] = [...(options.iceServerOverride ?? [])]
  if (!options.iceServerOverride) {
    if (stun.length > 0) iceServers.push({ urls: stun })
    if (credentials) iceServers.push({ urls: turn, username: credentials.username, credential: credentials.password })
  }
  const relay = iceServers.find((server) => server.username !== undefined && server.credential !== undefined)
  return {
    username: relay?.username ?? '',
    password: relay?.credential ?? '',
    ttl: lifetimeSeconds,
    uris: relay?.urls ?? [],
    lifetimeDuration: `${lifetimeSeconds}s`,
    iceServers: iceServers.filter((server) => server.urls.length > 0),
  }
}

function urlsFor(caller: Caller, options: HttpOptions, config: IceConfigOptions): { stun: string[]; turn: string[] } {
  if (options.iceServerUrls.length > 0) {
    const turn = options.iceServerUrls.filter((url) => /^turns?:/.test(url))
    return { stun: options.iceServerUrls.filter((url) => /^stuns?:/.test(url)), turn }
  }
  const announced = parseHost(options.publicHost ?? '') ?? caller.host
  const reached = isLoopbackName(announced.name) ? (config.loopbackHost ?? announced.name) : announced.name
  const hosts = config.turnHosts.length > 0 ? config.turnHosts : [reached]
  // Certificates are for names: a visitor who came by one gets it back where TLS will look at it.
  const named = /[a-z]/.test(announced.name) && announced.name === reached && !reached.startsWith('[') ? reached : null
  const { turnPort, turnTcpPort, turnTlsPort } = config
  const stun: string[] = []
  const turn: string[] = []
  for (const name of hosts) {
    const host = name.includes(':') && !name.startsWith('[') ? `[${name}]` : name
    if (turnPort !== null) stun.push(`stun:${host}:${turnPort}`)
    if (turnPort !== null) turn.push(`turn:${host}:${turnPort}?transport=udp`)
    if (turnTcpPort !== null) turn.push(`turn:${host}:${turnTcpPort}?transport=tcp`)
    if (turnTlsPort !== null) turn.push(`turns:${named ?? host}:${turnTlsPort}?transport=tcp`)
  }
  return { stun, turn: [...new Set(turn)] }
}

function isLoopbackName(name: string): boolean {
  return name === 'localhost' || name.endsWith('.localhost') || name === '[::1]' || /^127\.[0-9.]+$/.test(name)
}

/** Whom the TURN server counts; strangers' texts do not get into names it logs. */
function userOf(c: Context<Environment>): string {
  const asked = c.req.query('username') ?? ''
  return /^[A-Za-z0-9_-]{1,64}$/.test(asked) ? asked : randomDigits(9)
}
