import { createHash, timingSafeEqual } from 'node:crypto'
import type { Context } from 'hono'
import type { Rooms } from '../rooms/rooms.ts'
import { mint, visitorId } from '../turn/auth/credentials.ts'
import { filterByTransport } from '../web/link/ice-servers.ts'
import { type Caller, visitorOf } from './caller/caller.ts'
import type { App, Environment } from './environment.ts'
import { type AddressLimits, namedOrGuessed } from './limits/limits.ts'
import type { HttpOptions, IceConfigOptions, IceServer } from './options.ts'

const DAY_SECONDS = 86_400
/** With `ice-config-needs-room`: as long as somebody waits in a room. A call that has begun goes on when it is over. */
const ROOM_SECONDS = 3600

export interface IceConfigWorld {
  readonly options: HttpOptions
  /** Asked anew each time, so that a reload of the secret is seen. */
  iceConfig(): IceConfigOptions
  readonly limits: AddressLimits
  readonly rooms: Rooms
  /** Unix milliseconds. */
  wallClock(): number
}

/** ICE servers with short-lived credentials, at the address of every client generation. */
export function iceConfigRoutes(app: App, world: IceConfigWorld): void {
  app.on(['GET', 'POST'], ['/v1alpha/iceconfig', '/turn', '/turn.php'], async (c) => {
    const wait = world.limits.iceConfigWait(c.env.caller.block)
    if (wait > 0) return c.json({ error: 'Too many requests' }, 429, { 'Retry-After': String(wait) })
    if (!knowsKey(c.req.query('key') ?? '', world.options)) return c.json({ error: 'Wrong key' }, 403)
    const place = await placeOf(c, world)
    if (place === 'guessed') return c.json({ error: 'Too many requests' }, 429, { 'Retry-After': '60' })
    if (place === 'none') return c.json({ error: 'No place in a room' }, 403)
    const asked = { transport: c.req.query('tt') ?? '', withCredentials: place !== 'unnamed' }
    const document = iceDocument(c.env.caller, asked, world)
    return document === null ? c.text('This address needs a Host header\n', 400) : c.json(document)
  })
}

/** Compared in constant time (SEC-18 in the tests). Where no key is set everybody knows it. */
function knowsKey(given: string, { iceServerApiKey, ceodKey }: HttpOptions): boolean {
  const keys = [iceServerApiKey, ceodKey].filter((key) => key !== '')
  const digest = digestOf(given)
  const matches = keys.filter((key) => timingSafeEqual(digestOf(key), digest))
  return keys.length === 0 || matches.length > 0
}

/** Of one length, whatever is compared. */
function digestOf(text: string): Buffer {
  return createHash('sha256').update(text).digest()
}

/** With `ice-config-needs-room`: whether the client that is named has a place. Without it nobody is asked. */
async function placeOf(
  c: Context<Environment>,
  world: IceConfigWorld,
): Promise<'has' | 'none' | 'unnamed' | 'guessed'> {
  if (!world.options.iceConfigNeedsRoom) return 'has'
  const { room, username } = c.req.query()
  // iOS asks at the address that /params names, before it has joined: a 403 would end its call, STUN alone helps it.
  if (room === undefined || username === undefined) return 'unnamed'
  const { wait, client } = await namedOrGuessed(c, room, username, world)
  if (wait > 0) return 'guessed'
  return client?.hasPlace ? 'has' : 'none'
}

/**
 * CEOD's and the ICE server provider's document in one: each generation takes what it knows. Old apps need `username`,
 * `password` and `uris`; the others `iceServers`, in which no entry may have an empty `urls`. Null when no host is known for them.
 */
function iceDocument(
  caller: Caller,
  { transport, withCredentials }: { transport: string; withCredentials: boolean },
  world: IceConfigWorld,
): object | null {
  const { options, wallClock } = world
  const config = world.iceConfig()
  const lifetimeSeconds = Math.min(config.lifetimeSeconds, options.iceConfigNeedsRoom ? ROOM_SECONDS : DAY_SECONDS)
  const urls = urlsFor(caller, options, config)
  if (urls === null) return null
  const { stun, turn } = urls
  const credentials =
    config.secret === null || turn.length === 0 || !withCredentials
      ? null
      : mint(config.secret, {
          // Whoever asks may call himself anything, and the TURN server counts by name.
          userid: visitorId(config.secret, caller.block),
          lifetimeSeconds,
          wallMs: wallClock(),
          separator: config.separator,
        })
  const fixed = options.iceServerOverride ?? []
  const iceServers: IceServer[] = fixed.filter(({ credential }) => withCredentials || credential === undefined)
  if (!options.iceServerOverride) {
    if (stun.length > 0) iceServers.push({ urls: stun })
    if (credentials) iceServers.push({ urls: turn, username: credentials.username, credential: credentials.password })
  }
  // AppRTC's page filters by itself, but appends the transport to `stun:`, too, for which browsers refuse everything.
  const wanted = filterByTransport(iceServers, transport)
  const relay = wanted.find((server) => server.username !== undefined && server.credential !== undefined)
  return {
    username: relay?.username ?? '',
    password: relay?.credential ?? '',
    ttl: lifetimeSeconds,
    uris: relay?.urls ?? [],
    lifetimeDuration: `${lifetimeSeconds}s`,
    iceServers: wanted,
  }
}

function urlsFor(
  caller: Caller,
  options: HttpOptions,
  config: IceConfigOptions,
): { stun: string[]; turn: string[] } | null {
  if (options.iceServerUrls.length > 0) {
    const turn = options.iceServerUrls.filter((url) => /^turns?:/.test(url))
    return { stun: options.iceServerUrls.filter((url) => /^stuns?:/.test(url)), turn }
  }
  const announced = visitorOf(caller, options)?.host.name ?? null
  if (announced === null && config.turnHosts.length === 0) return null
  const reached = announced !== null && isLoopbackName(announced) ? (config.loopbackHost ?? announced) : announced
  const hosts = config.turnHosts.length > 0 || reached === null ? config.turnHosts : [reached]
  // Certificates are for names: a visitor who came by one gets it back where TLS will look at it.
  const named = announced === reached && /^[^[]*[a-z]/.test(announced ?? '') ? announced : null
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
