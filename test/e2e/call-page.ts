import type { Browser, BrowserContext, Page } from 'playwright-core'
import { expect, vi } from 'vitest'

/** What getStats tells about the pair in use and the video that arrives. */
export interface Reading {
  readonly local: string
  /** `prflx` for a relay too, when its first packet comes before signaling names it. */
  readonly remote: string
  readonly relayProtocol: string | null
  readonly framesDecoded: number
}

const CONNECTED_MS = 30_000

/** A person at the call page in a browser of their own. Ends with an error when the page did what it must never do. */
export class CallPage {
  readonly page: Page
  readonly #context: BrowserContext
  readonly #hosts = new Set<string>()
  readonly #complaints: string[] = []

  private constructor(context: BrowserContext, page: Page) {
    this.#context = context
    this.page = page
    page.on('request', (request) => this.#hosts.add(new URL(request.url()).host))
    page.on('websocket', (socket) => this.#hosts.add(new URL(socket.url()).host))
    page.on('console', (message) => {
      if (message.type() === 'error') this.#complaints.push(message.text())
    })
    page.on('pageerror', (error) => this.#complaints.push(String(error)))
  }

  static async open(browser: Browser, url: string): Promise<CallPage> {
    const context = await browser.newContext({ ignoreHTTPSErrors: true, locale: 'en-US' })
    const page = await context.newPage()
    const call = new CallPage(context, page)
    await page.addInitScript(watchConnections)
    await page.goto(url)
    return call
  }

  async join(): Promise<void> {
    await this.page.getByRole('button', { name: 'Join', exact: true }).click()
  }

  async hangUp(): Promise<void> {
    await this.page.getByRole('button', { name: 'Hang up' }).click()
  }

  /** Waits for words that a person sees. */
  async sees(words: string | RegExp): Promise<void> {
    await this.page.getByText(words).first().waitFor({ timeout: CONNECTED_MS })
  }

  /** Waits until the picture of the other side moves, and tells how it comes here. */
  async watch(): Promise<Reading> {
    const first = await this.#readingOnce(() => true)
    return this.#readingOnce(({ framesDecoded }) => framesDecoded > first.framesDecoded + 2)
  }

  /** Ends a call that is on, closes the page, and says what it did behind the person's back. */
  async close(): Promise<void> {
    if (await this.page.getByRole('button', { name: 'Hang up' }).isVisible()) {
      await this.hangUp()
      await this.sees('You left the call')
    }
    await this.#context.close()
    expect([...this.#hosts], 'hosts that the page spoke to').toHaveLength(1)
    expect(this.#complaints, 'errors on the console').toEqual([])
  }

  #readingOnce(isThere: (reading: Reading) => boolean): Promise<Reading> {
    return vi.waitFor(
      async () => {
        const reading = await this.page.evaluate(readConnection)
        if (reading === null) throw new Error('no connection with a pair in use and a picture')
        if (!isThere(reading)) throw new Error(`the picture stands still: ${JSON.stringify(reading)}`)
        return reading
      },
      { timeout: CONNECTED_MS, interval: 200 },
    )
  }
}

type Watched = typeof globalThis & { newestConnection?: RTCPeerConnection }

/** Runs in the page before its own script: keeps hold of the connection, which the page itself shows to nobody. */
export function watchConnections(): void {
  const Native = globalThis.RTCPeerConnection
  globalThis.RTCPeerConnection = class extends Native {
    constructor(configuration?: RTCConfiguration) {
      super(configuration)
      ;(globalThis as Watched).newestConnection = this
    }
  }
}

/** Runs in the page. */
export async function readConnection(): Promise<Reading | null> {
  const connection = (globalThis as Watched).newestConnection
  if (connection === undefined || connection.connectionState !== 'connected') return null
  const entries = new Map<string, Record<string, unknown>>()
  const report = await connection.getStats()
  report.forEach((entry, id) => void entries.set(id, entry))
  const all = [...entries.values()]
  const transport = all.find(({ type }) => type === 'transport')
  // Firefox before its transport entries marks the pair instead.
  const pair =
    entries.get(String(transport?.['selectedCandidatePairId'])) ??
    all.find(({ type, nominated, state }) => type === 'candidate-pair' && nominated === true && state === 'succeeded')
  const video = all.find(({ type, kind }) => type === 'inbound-rtp' && kind === 'video')
  const local = entries.get(String(pair?.['localCandidateId']))
  const remote = entries.get(String(pair?.['remoteCandidateId']))
  if (local === undefined || remote === undefined || !video?.['framesDecoded']) return null
  return {
    local: String(local['candidateType']),
    remote: String(remote['candidateType']),
    relayProtocol: (local['relayProtocol'] as string | undefined) ?? null,
    framesDecoded: Number(video['framesDecoded']),
  }
}
