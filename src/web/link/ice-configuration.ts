import { filterByTransport, parseIceServers } from './ice-servers.ts'

/** The part of a join answer that is about ICE (AppRTC's names). */
export interface IceParameters {
  /** A string that holds JSON. */
  readonly pc_config?: string
  readonly ice_server_url?: string
  readonly ice_server_transports?: string
}

/** A call without relay starts late rather than never, and a broken one is mended with the servers known so far. */
const patienceMs = { first: 5000, again: 1500 }

/** Which STUN and TURN servers a call may use, asked for anew each time because relay credentials run out. */
export class IceConfiguration {
  /** Whether the last list named a relay. */
  hasRelay = false
  readonly #parameters: IceParameters
  readonly #peerConfig: Readonly<Record<string, unknown>>
  #known: RTCIceServer[] | null = null

  constructor(parameters: IceParameters) {
    this.#parameters = parameters
    this.#peerConfig = parse(parameters.pc_config)
  }

  /** The servers, as of now; those of before when nobody can say, and none when nobody ever could. */
  async servers(): Promise<RTCIceServer[]> {
    const { ice_server_url = '', ice_server_transports = '' } = this.#parameters
    const given = parseIceServers(this.#peerConfig)
    const patience = this.#known === null ? patienceMs.first : patienceMs.again
    const servers = given.length > 0 || ice_server_url === '' ? given : await ask(ice_server_url, patience)
    const usable = servers === null ? (this.#known ?? []) : filterByTransport(servers, ice_server_transports)
    if (servers !== null) this.#known = usable
    this.hasRelay = usable.some(({ urls }) => [urls].flat().some((url) => /^turns?:/i.test(url)))
    return usable
  }

  /** What a new connection is made with. */
  async configuration(): Promise<RTCConfiguration> {
    const policy = this.#peerConfig['iceTransports'] ?? this.#peerConfig['iceTransportPolicy']
    return {
      iceServers: await this.servers(),
      bundlePolicy: 'max-bundle',
      rtcpMuxPolicy: 'require',
      iceTransportPolicy: policy === 'relay' ? 'relay' : 'all',
    }
  }
}

/** Null without an answer. */
async function ask(url: string, patience: number): Promise<RTCIceServer[] | null> {
  try {
    const signal = AbortSignal.timeout?.(patience) ?? null
    const response = await fetch(url, { method: 'POST', cache: 'no-store', signal })
    return response.ok ? parseIceServers(await response.json()) : null
  } catch {
    return null
  }
}

function parse(json: string | undefined): Record<string, unknown> {
  try {
    return (JSON.parse(json ?? '{}') as Record<string, unknown>) ?? {}
  } catch {
    return {}
  }
}
