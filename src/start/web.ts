import type { AddressInfo } from 'node:net'
import { performance } from 'node:perf_hooks'
import type { Duplex } from 'node:stream'
import { DEFAULT_CIPHERS, type SecureContextOptions } from 'node:tls'
import type { Config } from '../config/options.ts'
import { type AppWorld, createApp } from '../http/app.ts'
import { type ColliderWorld, colliderApp } from '../http/collider.ts'
import type { App } from '../http/environment.ts'
import { AddressLimits } from '../http/limits/limits.ts'
import { HttpListener } from '../http/listener.ts'
import { callPages } from '../http/page/page.ts'
import type { Log } from '../log.ts'
import { type Refused, Shares } from '../net/limits/shares.ts'
import { ListenError } from '../net/listen/listen-error.ts'
import { DEFAULT_GROUPS, NO_STATIC_RSA } from '../net/openssl/key-exchange.ts'
import type { SocketErrors } from '../net/socket-errors.ts'
import { MemoryRooms } from '../rooms/memory-rooms.ts'
import type { RoomReadings, Rooms } from '../rooms/rooms.ts'
import type { SourceShares } from '../rooms/source-shares.ts'
import { Connections } from '../signaling/connections.ts'
import { Hub } from '../signaling/hub.ts'
import { RemoteCollider } from '../signaling/remote-collider.ts'
import { RoomServer } from '../signaling/room-server.ts'
import type { Unread } from '../signaling/unread.ts'
import type { CertificateFiles } from './certificate.ts'
import {
  connectionLimits,
  handshakeLimits,
  httpOptions,
  listenerOptions,
  roomsOptions,
  signalingOptions,
  socketLimits,
} from './plan/web-options.ts'

/** What rooms and signaling ask of the rest. */
export type WebWorld = Pick<AppWorld, 'iceConfig' | 'unready' | 'metrics'> & {
  readonly log: Log
  readonly errors: SocketErrors
}

export interface RunningWeb {
  readonly hub: Hub
  readonly rooms: Rooms
  /** What WebSockets have not read. */
  readonly unread: Unread
  readonly http: AddressInfo | null
  readonly https: AddressInfo | null
  readonly collider: (AddressInfo & { readonly tls: boolean }) | null
  /** What did not get a place, or lost it to somebody who had fewer. */
  readonly refused: () => Readonly<Record<'connections' | 'handshakes' | 'websockets', Refused>> &
    RoomReadings['refused'] & { readonly unread: SourceShares['refused'] }
  /** Requests over the limits of their address. */
  readonly limited: AddressLimits['refused']
  /** While on, no room is opened. */
  drain(on: boolean): void
  /** New handshakes get this certificate; throws when it is bad. */
  renew(files: CertificateFiles): void
  /** Goes by another configuration, as far as it can without a restart. */
  apply(config: Config): void
  close(): Promise<void>
}

/** The page, the room server and the Collider: one hub behind up to three ports. */
export async function startWeb(config: Config, files: CertificateFiles | null, world: WebWorld): Promise<RunningWeb> {
  const { log } = world
  const now = () => performance.now()
  const limits = new AddressLimits(httpOptions(config, files !== null), now)
  const sockets = new Shares<Duplex>(socketLimits(config))
  const remote = remoteCollider(config, files)
  const foreign = foreignRoomServer(config)
  const signaling = signalingOptions(config)
  const connections = new Connections(signaling, now, (room, client) => foreign?.gone(room, client))
  const rooms: Rooms = new MemoryRooms(roomsOptions(config), remote ?? connections, now, now())
  const hub = new Hub(signaling, { log: log.child({ part: 'signaling' }), now, rooms, connections, limits, sockets })
  /** What answers requests: made anew for each configuration, because it keeps nothing itself. */
  const appsFor = (wanted: Config): { readonly rooms: App; readonly collider: App | null } => {
    const options = httpOptions(wanted, files !== null)
    const collider: ColliderWorld | null = wanted.signaling
      ? { hub, rooms, limits, log: log.child({ part: 'signaling' }), maxBodyBytes: options.maxBodyBytes, now }
      : null
    const app = createApp({
      ...world,
      options,
      rooms,
      limits,
      pages: callPages,
      log: log.child({ part: 'rooms' }),
      now,
      wallClock: Date.now,
      collider,
    })
    return { rooms: app, collider: collider && colliderApp(collider, world.unready) }
  }
  let apps = appsFor(config)
  const listeners: { readonly listener: HttpListener; readonly pools: HttpPools; readonly tls: boolean }[] = []

  const open = async (
    which: 'rooms' | 'collider',
    port: number,
    tls: CertificateFiles | null,
  ): Promise<AddressInfo> => {
    const at = {
      host: config.host,
      port,
      tls: tls === null ? null : secureContext(tls),
    }
    const pools = httpPools(config)
    try {
      const listener = await HttpListener.open(at, {
        options: listenerOptions(config),
        trustedProxies: config['trusted-proxy'],
        // Asked for only where it is there.
        fetch: (request, environment) => apps[which]!.fetch(request, environment),
        ...pools,
        acceptFailed: (error) => world.errors.count('http', error),
        upgrade: config.signaling
          ? (request, socket, head, caller) => hub.upgrade(request, socket, head, caller.block)
          : null,
      })
      listeners.push({ listener, pools, tls: tls !== null })
      log.info({ port: listener.address.port, tls: tls !== null }, 'listening')
      return listener.address
    } catch (error) {
      throw new ListenError('tcp', at.host, at.port, error, 'host')
    }
  }
  const close = async (): Promise<void> => {
    await Promise.all([hub.close(), ...listeners.map(({ listener }) => listener.close())])
    await Promise.all([remote?.close(), foreign?.close()])
  }

  try {
    const http = config.rooms ? await open('rooms', config['http-port'], null) : null
    const https = config.rooms && files !== null ? await open('rooms', config['https-port'], files) : null
    const colliderTls = config.tls === false ? null : files
    const at = config.signaling ? await open('collider', config.port, colliderTls) : null
    return {
      hub,
      rooms,
      unread: connections.unread,
      http,
      https,
      collider: at === null ? null : { ...at, tls: colliderTls !== null },
      refused: () => ({
        connections: sumOf(listeners.map(({ pools }) => pools.connections.counters)),
        handshakes: sumOf(listeners.map(({ pools }) => pools.handshakes.counters)),
        websockets: sockets.counters,
        ...rooms.readings.refused,
        unread: connections.unread.refused,
      }),
      drain: (on) => {
        limits.isDraining = on
      },
      limited: limits.refused,
      apply: (wanted) => {
        apps = appsFor(wanted)
        limits.apply(httpOptions(wanted, files !== null))
        hub.apply(signalingOptions(wanted))
        rooms.apply(roomsOptions(wanted))
        sockets.apply(socketLimits(wanted))
        for (const { listener, pools } of listeners) {
          listener.apply(listenerOptions(wanted), wanted['trusted-proxy'])
          pools.connections.apply(connectionLimits(wanted))
          pools.handshakes.apply(handshakeLimits(wanted))
        }
      },
      renew: (renewed) => {
        for (const { listener, tls } of listeners) if (tls) listener.renew(secureContext(renewed))
      },
      close,
    }
  } catch (error) {
    await close()
    throw error
  }
}

/** What the connections of one port share. */
interface HttpPools {
  readonly connections: Shares<Duplex>
  readonly handshakes: Shares<Duplex>
}

/** What HTTPS and the Collider's port serve; a stranger may not make a handshake cost the main thread more than a signature does. */
function secureContext({ cert, key, passphrase }: CertificateFiles): SecureContextOptions {
  return { cert, key, passphrase, ecdhCurve: DEFAULT_GROUPS, ciphers: DEFAULT_CIPHERS + NO_STATIC_RSA }
}

function httpPools(config: Config): HttpPools {
  return { connections: new Shares(connectionLimits(config)), handshakes: new Shares(handshakeLimits(config)) }
}

function sumOf(counters: readonly Refused[]): Refused {
  const sum = { 'too-many': 0, 'too-many-from-source': 0, displaced: 0 }
  for (const one of counters) for (const reason of Object.keys(sum) as (keyof Refused)[]) sum[reason] += one[reason]
  return sum
}

/** The Collider that `wss-host-port-pair` names, when our own is off: it has the sockets and gets the messages. */
function remoteCollider(config: Config, files: CertificateFiles | null): RemoteCollider | null {
  const pair = config['wss-host-port-pair']
  if (config.signaling || pair === null) return null
  const encrypted = config.tls ?? files !== null
  return new RemoteCollider(`${encrypted ? 'https' : 'http'}://${pair}`)
}

/** Collider's `-room-server`: a foreign one hears of clients that are gone; ours sits in the same process. */
function foreignRoomServer(config: Config): RoomServer | null {
  const origin = config['room-server']
  return origin === null || config.rooms ? null : new RoomServer(origin)
}
