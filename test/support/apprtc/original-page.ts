import { buildSync } from 'esbuild'
import type { Browser, BrowserContext, Page } from 'playwright-core'
import { expect } from 'vitest'
import type { Era } from './room-server.ts'

const script = buildSync({
  entryPoints: [new URL('./web-page.ts', import.meta.url).pathname],
  bundle: true,
  format: 'iife',
  target: 'es2022',
  write: false,
}).outputFiles[0]!.text

/** AppRTC's own call page in a Chromium of one visitor. */
export class OriginalPage {
  readonly #page: Page
  readonly #context: BrowserContext

  private constructor(context: BrowserContext, page: Page) {
    this.#context = context
    this.#page = page
  }

  static async open(
    browser: Browser,
    roomServer: string,
    room: string,
    { query, era }: { query: string; era: Era },
  ): Promise<OriginalPage> {
    // The script is put into an answer of the room server itself, a 404, whose policy lets nothing run: a page made up by the
    // browser has no address, and is not let through to servers on this machine.
    const context = await browser.newContext({ bypassCSP: true })
    await context.addInitScript(script)
    const page = await context.newPage()
    await page.goto(`${roomServer}/original/page/${room}?${query}#${era}`)
    return new OriginalPage(context, page)
  }

  /** The click on Join, or on Rejoin. */
  async join(): Promise<void> {
    await this.#page.evaluate('original.join()')
  }

  async hangUp(): Promise<void> {
    await this.#page.evaluate('original.hangUp()')
  }

  reload(): Promise<unknown> {
    return this.#page.reload()
  }

  state(): Promise<unknown> {
    return this.#page.evaluate('original.state')
  }

  async shows(state: string): Promise<void> {
    await expect.poll(() => this.state(), { timeout: 20_000, interval: 50 }).toBe(state)
  }

  /** How the media go. */
  async path(): Promise<{ local: string; relay: string }> {
    return this.#page.evaluate('original.path()')
  }

  /** Closes the window without a word, unless the visitor has hung up. */
  close(): Promise<void> {
    return this.#context.close()
  }
}
