import type { AddressInfo } from 'node:net'
import { performance } from 'node:perf_hooks'
import type { Duplex } from 'node:stream'
import type { Config } from '../../config/options.ts'
import { type AppWorld, createApp } from '../../http/app.ts'
import { type ColliderWorld, colliderApp } from '../../http/collider.ts'
import type { App } from '../../http/environment.ts'
import { AddressLimits } from '../../http/limits/limits.ts'
import { callPages } from '../../http/page/page.ts'
import type { Log } from '../../log.ts'
import { type Refused, Shares } from '../../net/limits/shares.ts'
import type { ListenChange } from '../../net/listen/listen-change.ts'
import type { SocketErrors } from '../../net/socket-errors.ts'
import { MemoryRooms } from '../../rooms/memory-rooms.ts'
import type { RoomReadings, Rooms } from '../../rooms/rooms.ts'
import type { SourceShares } from '../../rooms/source-shares.ts'
import { Connections } from '../../signaling/connections.ts'
import { Hub } from '../../signaling/hub.ts'
import { RemoteCollider } from '../../signaling/remote-collider.ts'
import { RoomServer } from '../../signaling/room-server.ts'
import type { Unread } from '../../signaling/unread.ts'
import type { CertificateFiles } from '../certificate.ts'
import { httpOptions, roomsOptions, signalingOptions, socketLimits } from '../plan/web-options.ts'
import { WebPorts } from './web-ports.ts'

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
  /** Where new clients may come. */
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
  /**
   * Opens the ports of another configuration, and looks whether new handshakes can get this certificate; throws ListenError, or
   * Node's error, and changes nothing, when that cannot be.
   */
  prepare(config: Config, files: CertificateFiles | null): Promise<ListenChange>
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
  const ports = new WebPorts({
    log,
    errors: world.errors,
    // Asked for only where it is there.
    fetch: (which, request, environment) => apps[which]!.fetch(request, environment),
    upgrade: config.signaling
      ? (request, socket, head, caller) => hub.upgrade(request, socket, head, caller.block)
      : null,
  })
  const close = async (): Promise<void> => {
    await Promise.all([hub.close(), ports.close()])
    await Promise.all([remote?.close(), foreign?.close()])
  }

  try {
    const change = await ports.prepare(config, files)
    change.commit()
    return {
      hub,
      rooms,
      unread: connections.unread,
      get http() {
        return ports.at('http-port')
      },
      get https() {
        return ports.at('https-port')
      },
      get collider() {
        return ports.at('port')
      },
      refused: () => ({
        ...ports.refused,
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
        ports.apply(wanted)
      },
      prepare: (wanted, certified) => ports.prepare(wanted, certified),
      close,
    }
  } catch (error) {
    await close()
    throw error
  }
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
