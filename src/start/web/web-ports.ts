import type { AddressInfo } from 'node:net'
import type { Duplex } from 'node:stream'
import { createSecureContext, DEFAULT_CIPHERS, type SecureContextOptions } from 'node:tls'
import type { Config } from '../../config/options.ts'
import { HttpListener, type ListenerWorld } from '../../http/listener.ts'
import type { Log } from '../../log.ts'
import { type Refused, Shares } from '../../net/limits/shares.ts'
import { compare, type ListenChange } from '../../net/listen/listen-change.ts'
import { ListenError } from '../../net/listen/listen-error.ts'
import { DEFAULT_GROUPS, NO_STATIC_RSA } from '../../net/openssl/key-exchange.ts'
import type { SocketErrors } from '../../net/socket-errors.ts'
import type { CertificateFiles } from '../certificate.ts'
import { connectionLimits, handshakeLimits, listenerOptions } from '../plan/web-options.ts'

export interface WebPortsWorld extends Pick<ListenerWorld, 'upgrade'> {
  readonly log: Log
  readonly errors: SocketErrors
  fetch(which: Port['which'], ...request: Parameters<ListenerWorld['fetch']>): ReturnType<ListenerWorld['fetch']>
}

/** A port of HTTP, HTTPS or the Collider. */
interface Port {
  readonly key: string
  readonly which: 'rooms' | 'collider'
  readonly portKey: 'http-port' | 'https-port' | 'port'
  readonly host: string
  readonly port: number
  readonly tls: boolean
}

interface OpenPort extends Port {
  readonly listener: HttpListener
  /** What its connections share. */
  readonly pools: Pick<Record<keyof ListenerWorld, Shares<Duplex>>, 'connections' | 'handshakes'>
}

/** The ports of the page and of the Collider: those that new clients may come by, and those that old ones still use. */
export class WebPorts {
  readonly #world: WebPortsWorld
  #open: readonly OpenPort[] = []
  readonly #leaving = new Set<OpenPort>()
  /** What ports have counted that are closed. */
  #before = { connections: sumOf([]), handshakes: sumOf([]) }

  constructor(world: WebPortsWorld) {
    this.#world = world
  }

  /** Where new clients may come. */
  at(key: Port['portKey']): (AddressInfo & { readonly tls: boolean }) | null {
    const port = this.#open.find(({ portKey }) => portKey === key)
    return port === undefined ? null : { ...port.listener.address, tls: port.tls }
  }

  get refused(): Readonly<Record<'connections' | 'handshakes', Refused>> {
    return this.#refusedBy([...this.#open, ...this.#leaving])
  }

  /**
   * Opens the ports of another configuration, and looks whether new handshakes can get this certificate. Throws ListenError, or
   * Node's error about the certificate, and changes nothing.
   */
  async prepare(config: Config, files: CertificateFiles | null): Promise<ListenChange> {
    const secure = files && secureContext(files)
    if (secure !== null) createSecureContext(secure)
    const { kept, missing, spare } = compare(portsOf(config, files), this.#open)
    const opened: OpenPort[] = []
    const abort = async () => {
      await Promise.all(opened.map(({ listener }) => listener.close()))
    }
    try {
      for (const port of missing) opened.push(await this.#listen(port, config, secure))
    } catch (error) {
      await abort()
      throw error
    }
    return {
      commit: () => {
        for (const { listener, tls } of [...this.#open, ...this.#leaving]) {
          if (tls && secure !== null) listener.renew(secure)
        }
        this.#open = [...kept, ...opened]
        for (const { listener, tls } of opened) this.#world.log.info({ port: listener.address.port, tls }, 'listening')
        for (const port of spare) this.#leave(port)
      },
      abort,
    }
  }

  /** Other limits and times for the connections there are, and for new ones. */
  apply(config: Config): void {
    for (const { listener, pools } of [...this.#open, ...this.#leaving]) {
      listener.apply(listenerOptions(config), config['trusted-proxy'])
      pools.connections.apply(connectionLimits(config))
      pools.handshakes.apply(handshakeLimits(config))
    }
  }

  async close(): Promise<void> {
    await Promise.all([...this.#open, ...this.#leaving].map(({ listener }) => listener.close()))
  }

  async #listen(port: Port, config: Config, secure: SecureContextOptions | null): Promise<OpenPort> {
    const { fetch, upgrade, errors } = this.#world
    const pools = {
      connections: new Shares<Duplex>(connectionLimits(config)),
      handshakes: new Shares<Duplex>(handshakeLimits(config)),
    }
    try {
      const listener = await HttpListener.open(
        { host: port.host, port: port.port, tls: port.tls ? secure : null },
        {
          ...{ ...pools, upgrade },
          options: listenerOptions(config),
          trustedProxies: config['trusted-proxy'],
          fetch: (...request) => fetch(port.which, ...request),
          acceptFailed: (error) => errors.count('http', error),
        },
      )
      return { ...port, listener, pools }
    } catch (error) {
      throw new ListenError('tcp', port.host, port.port, error, 'host')
    }
  }

  #leave(port: OpenPort): void {
    const { log } = this.#world
    const fields = { port: port.listener.address.port, tls: port.tls }
    this.#leaving.add(port)
    log.info(fields, 'accepts no more connections, and is closed when its last client has gone')
    void port.listener.leave().then(() => {
      this.#leaving.delete(port)
      this.#before = this.#refusedBy([port])
      log.info(fields, 'closed: its last client has gone')
    })
  }

  #refusedBy(ports: readonly OpenPort[]): Record<'connections' | 'handshakes', Refused> {
    const { connections, handshakes } = this.#before
    return {
      connections: sumOf([connections, ...ports.map(({ pools }) => pools.connections.counters)]),
      handshakes: sumOf([handshakes, ...ports.map(({ pools }) => pools.handshakes.counters)]),
    }
  }
}

function portsOf(config: Config, files: CertificateFiles | null): Port[] {
  const { host } = config
  const at = (which: Port['which'], portKey: Port['portKey'], port: number, tls: boolean): Port => {
    return { key: `${which} ${host} ${port} ${tls}`, which, portKey, host, port, tls }
  }
  const hasTls = files !== null
  return [
    ...(config.rooms ? [at('rooms', 'http-port', config['http-port'], false)] : []),
    ...(config.rooms && hasTls ? [at('rooms', 'https-port', config['https-port'], true)] : []),
    ...(config.signaling ? [at('collider', 'port', config.port, hasTls && config.tls !== false)] : []),
  ]
}

/** What HTTPS and the Collider's port serve; a stranger may not make a handshake cost the main thread more than a signature does. */
function secureContext({ cert, key, passphrase }: CertificateFiles): SecureContextOptions {
  return { cert, key, passphrase, ecdhCurve: DEFAULT_GROUPS, ciphers: DEFAULT_CIPHERS + NO_STATIC_RSA }
}

function sumOf(counters: readonly Refused[]): Refused {
  const sum = { 'too-many': 0, 'too-many-from-source': 0, displaced: 0 }
  for (const one of counters) for (const reason of Object.keys(sum) as (keyof Refused)[]) sum[reason] += one[reason]
  return sum
}
