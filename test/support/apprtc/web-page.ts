import { CallConnection, type SignalingMessage, selectedPath } from './connection.ts'

/**
 * The call page of AppRTC, 2015 and final, after its published behaviour: it runs in a real browser, on whatever page has
 * `#era` and a path that ends in the room. What people click is `window.original`.
 */

interface Parameters {
  readonly pc_config: string
  readonly pc_constraints: string
  readonly media_constraints: string
  readonly ice_server_url?: string
  readonly ice_server_transports?: string
  readonly turn_url?: string
  readonly turn_transports?: string
  readonly wss_url: string
  readonly wss_post_url: string
}

interface Joined extends Parameters {
  readonly client_id: string
  readonly is_initiator: string
  readonly messages: readonly string[]
}

const room = location.pathname.split('/').at(-1)!
const era = location.hash.slice(1)

class OriginalPage {
  /** What the page shows: an error text, or where the call is. */
  state = 'ready'
  #parameters: Parameters | undefined
  #joined: Joined | null = null
  #initiator = false
  #socket: WebSocket | null = null
  #registered = false
  #early: string[] = []
  #connection: CallConnection | null = null
  #stream: MediaStream | undefined
  #config: RTCConfiguration & { iceTransports?: string } = {}
  /** Media and ICE servers are asked for as soon as the room is known, before anybody clicks. */
  readonly #ready: Promise<void>

  constructor() {
    this.#ready = this.#prepare()
    this.#ready.catch((error: unknown) => this.#fail(error))
    // Browsers of today forbid what the original relied on: only the WebSocket's part of it gets through.
    window.onbeforeunload = () => {
      void this.#hangUp(false)
      return undefined
    }
  }

  async join(): Promise<void> {
    this.state = 'joining'
    try {
      await this.#ready
      const opened = this.#openSocket()
      const joined = await this.#join()
      if (joined === null) return
      await opened
      this.#joined = joined
      this.#initiator = joined.is_initiator === 'true'
      this.#socket!.send(JSON.stringify({ cmd: 'register', roomid: room, clientid: joined.client_id }))
      this.#registered = true
      this.#startSignaling(joined.messages)
    } catch (error) {
      this.#fail(error)
    }
  }

  async hangUp(): Promise<void> {
    await this.#hangUp(true)
    this.state = 'hung up'
  }

  path() {
    return this.#connection && selectedPath(this.#connection.pc)
  }

  async #prepare(): Promise<void> {
    const answer = await fetch(`/params${location.search}`)
    const parameters = (await answer.json()) as Parameters
    this.#parameters = parameters
    this.#config = JSON.parse(parameters.pc_config)
    const media = JSON.parse(parameters.media_constraints)
    this.#stream = await navigator.mediaDevices.getUserMedia({
      audio: media.audio !== false,
      video: media.video !== false,
    })
    this.#config.iceServers = era === '2015' ? await this.#turnServers() : await this.#iceServers()
  }

  /** 2015: `turn_url` has one account and a list of addresses, of which those of `tt` stay. */
  async #turnServers(): Promise<RTCIceServer[]> {
    const { turn_url = '', turn_transports = '' } = this.#parameters!
    if (turn_url === '') return []
    const { username, password, uris } = await (await fetch(turn_url)).json()
    const wanted = (uris as string[]).filter((uri) => {
      const [, query] = uri.split('?')
      return turn_transports === '' || query === undefined || query === `transport=${turn_transports}`
    })
    return [{ urls: wanted, username, credential: password }]
  }

  /** Final: asked only while `pc_config` has none; the transport is appended to each address that has none, STUN too. */
  async #iceServers(): Promise<RTCIceServer[]> {
    const { ice_server_url = '', ice_server_transports = '' } = this.#parameters!
    let servers = this.#config.iceServers ?? []
    if (ice_server_url !== '' && servers.length === 0)
      servers = (await (await fetch(ice_server_url, { method: 'POST' })).json()).iceServers
    if (ice_server_transports === '') return servers
    const wanted = `transport=${ice_server_transports}`
    return servers
      .map((server) => ({
        ...server,
        urls: (server.urls as string[]).flatMap((url) => {
          if (url.includes(wanted)) return [url]
          return url.includes('?transport=') ? [] : [`${url}?${wanted}`]
        }),
      }))
      .filter(({ urls }) => urls.length > 0)
  }

  #openSocket(): Promise<void> {
    const socket = new WebSocket(this.#parameters!.wss_url)
    this.#socket = socket
    this.#registered = false
    socket.onmessage = ({ data }) => {
      const { msg, error } = JSON.parse(data) as { msg: string; error: string }
      if (error === '') this.#receive(msg)
      else console.info(`signaling server: ${error}`)
    }
    return new Promise((opened, failed) => {
      socket.onopen = () => opened()
      socket.onerror = () => failed(new Error('WebSocket error'))
    })
  }

  async #join(): Promise<Joined | null> {
    const answer = await fetch(`/join/${room}${location.search}`, { method: 'POST' })
    const { result, params } = (await answer.json()) as { result: string; params: Joined }
    if (result === 'SUCCESS') return params
    this.state = result
    this.#socket?.close()
    return null
  }

  #startSignaling(messages: readonly string[]): void {
    // The second argument is the original's; browsers of today take no notice of it.
    const Peer = RTCPeerConnection as unknown as new (
      config: RTCConfiguration,
      constraints: unknown,
    ) => RTCPeerConnection
    const pc = new Peer(this.#config, JSON.parse(this.#parameters!.pc_constraints))
    for (const track of this.#stream!.getTracks()) pc.addTrack(track, this.#stream!)
    const connection = new CallConnection(pc, this.#initiator, this.#config.iceTransports === 'relay', {
      send: (message) => this.#send(message),
      hungUp: () => this.#remoteHangUp(),
      failed: (error) => this.#fail(error),
    })
    this.#connection = connection
    this.state = this.#initiator ? 'waiting' : 'connecting'
    pc.oniceconnectionstatechange = () => {
      if (this.#connection !== connection) return
      if (/^(connected|completed)$/.test(pc.iceConnectionState)) this.state = 'connected'
    }
    if (this.#initiator) connection.startAsCaller()
    else connection.startAsCallee(messages)
    for (const text of this.#early.splice(0)) this.#receive(text)
  }

  #receive(text: string): void {
    if (this.#connection === null) this.#early.push(text)
    else this.#connection.receive(JSON.parse(text) as SignalingMessage)
  }

  /** Who is left makes the next offer, and waits with it for the next visitor. */
  #remoteHangUp(): void {
    this.#connection?.close()
    this.#initiator = true
    this.#startSignaling([])
    this.state = 'The remote side hung up.'
  }

  #send(message: SignalingMessage): void {
    const text = JSON.stringify(message)
    if (this.#joined === null) return
    if (!this.#initiator) {
      this.#sendToCollider(text)
      return
    }
    const url = `/message/${room}/${this.#joined.client_id}${location.search}`
    fetch(url, { method: 'POST', body: text })
      .then((answer) => answer.json())
      .then(
        ({ result }: { result: string }) => result === 'SUCCESS' || this.#fail(`Room server: ${result}`),
        (error: unknown) => this.#fail(error),
      )
  }

  #sendToCollider(text: string): void {
    if (this.#socket?.readyState === WebSocket.OPEN && this.#registered)
      this.#socket.send(JSON.stringify({ cmd: 'send', msg: text }))
    else void fetch(this.#postUrl(), { method: 'POST', body: text })
  }

  #postUrl(): string {
    return `${this.#parameters!.wss_post_url}/${room}/${this.#joined!.client_id}`
  }

  /** Leave before bye: the other side answers bye with an offer, which must be stored and not forwarded. */
  async #hangUp(asynchronously: boolean): Promise<void> {
    if (this.#joined === null) return
    this.#connection?.close()
    this.#connection = null
    const request = (method: string, url: string) => {
      if (asynchronously) return fetch(url, { method }).then(() => {})
      const synchronous = new XMLHttpRequest()
      synchronous.open(method, url, false)
      try {
        synchronous.send()
      } catch (error) {
        console.info(String(error))
      }
      return undefined
    }
    const leave = request('POST', `/leave/${room}/${this.#joined.client_id}`)
    if (leave) await leave
    this.#sendToCollider(JSON.stringify({ type: 'bye' }))
    this.#socket?.close()
    this.#socket = null
    const forget = request('DELETE', this.#postUrl())
    if (forget) await forget
    this.#joined = null
  }

  #fail(error: unknown): void {
    this.state = `error: ${error instanceof Error ? error.message : String(error)}`
  }
}

Object.assign(window, { original: new OriginalPage() })
