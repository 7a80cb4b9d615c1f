import type { AddressInfo } from 'node:net'
import { performance } from 'node:perf_hooks'
import type { Config } from '../config/options.ts'
import { type AppWorld, createApp } from '../http/app.ts'
import { type ColliderWorld, colliderApp } from '../http/collider.ts'
import type { App } from '../http/environment.ts'
import { AddressLimits } from '../http/limits.ts'
import { HttpListener } from '../http/listener.ts'
import { callPages } from '../http/page.ts'
import type { Log } from '../log.ts'
import { ListenError } from '../net/listen-error.ts'
import { MemoryRooms } from '../rooms/room-store.ts'
import { Hub } from '../signaling/hub.ts'
import type { CertificateFiles } from './certificate.ts'
import { httpOptions, listenerOptions, roomsOptions, signalingOptions } from './web-options.ts'

/** What rooms and signaling ask of the rest. */
export type WebWorld = Pick<AppWorld, 'iceConfig' | 'ready' | 'metrics'> & { readonly log: Log }

export interface RunningWeb {
  readonly hub: Hub
  readonly http: AddressInfo | null
  readonly https: AddressInfo | null
  readonly collider: (AddressInfo & { readonly tls: boolean }) | null
  reload(files: CertificateFiles): void
  close(): Promise<void>
}

/** The page, the room server and the Collider: one hub behind up to three ports. */
export async function startWeb(config: Config, files: CertificateFiles | null, world: WebWorld): Promise<RunningWeb> {
  const { log } = world
  const now = () => performance.now()
  const options = httpOptions(config)
  const limits = new AddressLimits(options)
  const hub = new Hub(signalingOptions(config), (effects) => new MemoryRooms(roomsOptions(config), effects), {
    log: log.child({ part: 'signaling' }),
    now,
    mayOpenRoom: (block) => limits.mayOpenRoom(block),
    ...roomServer(config, log),
  })
  const collider: ColliderWorld | null = config.signaling
    ? { hub, limits, maxBodyBytes: options.maxBodyBytes, now }
    : null
  const listeners: { readonly listener: HttpListener; readonly tls: boolean }[] = []

  const open = async (app: App, port: number, tls: CertificateFiles | null): Promise<AddressInfo> => {
    const at = {
      host: config.host,
      port,
      tls: tls === null ? null : { cert: tls.cert, key: tls.key, passphrase: tls.passphrase },
    }
    try {
      const listener = await HttpListener.open(at, {
        options: listenerOptions(config),
        trustedProxies: config['trusted-proxy'],
        fetch: (request, environment) => app.fetch(request, environment),
        upgrade: collider && ((request, socket, head, caller) => hub.upgrade(request, socket, head, caller.block)),
      })
      listeners.push({ listener, tls: tls !== null })
      log.info({ port: listener.address.port, tls: tls !== null }, 'listening')
      return listener.address
    } catch (error) {
      throw new ListenError('tcp', at.host, at.port, error)
    }
  }
  const close = async (): Promise<void> => {
    await Promise.all([hub.close(), ...listeners.map(({ listener }) => listener.close())])
  }

  try {
    const rooms = createApp({
      ...world,
      options,
      rooms: hub.rooms,
      limits,
      pages: callPages,
      log: log.child({ part: 'rooms' }),
      now,
      wallClock: Date.now,
      collider,
    })
    const http = config.rooms ? await open(rooms, config['http-port'], null) : null
    const https = config.rooms && files !== null ? await open(rooms, config['https-port'], files) : null
    const colliderTls = config.tls === false ? null : files
    const at = collider === null ? null : await open(colliderApp(collider), config.port, colliderTls)
    return {
      hub,
      http,
      https,
      collider: at === null ? null : { ...at, tls: colliderTls !== null },
      reload: ({ cert, key, passphrase }) => {
        for (const { listener, tls } of listeners) if (tls) listener.renew({ cert, key, passphrase })
      },
      close,
    }
  } catch (error) {
    await close()
    throw error
  }
}

/** Collider's `-room-server`: a foreign room server hears of clients that are gone. Ours sits in the same process. */
function roomServer(config: Config, log: Log): { forgotten?(room: string, client: string): void } {
  const base = config['room-server']
  if (base === null || config.rooms) return {}
  return {
    forgotten: (room, client) => {
      const path = `/bye/${encodeURIComponent(room)}/${encodeURIComponent(client)}`
      fetch(`${base}${path}`, { method: 'POST', signal: AbortSignal.timeout(5000), redirect: 'manual' }).catch(
        (err: unknown) => log.warn({ err }, 'room server cannot be told that a client left'),
      )
    },
  }
}
