import type { Browser } from 'playwright-core'
import { afterAll, afterEach, beforeAll } from 'vitest'
import { launchChromium } from '../support/browsers.ts'
import { startTestServer, type TestOptions, type TestServer } from '../support/server.ts'
import { CallPage } from './call-page.ts'

/** Two Chromiums and a server, for as long as the suite lasts that asks for them. */
export class Meeting {
  #server: TestServer | undefined
  #browsers: readonly Browser[] = []
  readonly #open: CallPage[] = []
  #rooms = 0

  constructor(options: TestOptions = {}) {
    beforeAll(async () => {
      this.#server = await startTestServer(options)
      this.#browsers = await Promise.all([launchChromium(), launchChromium()])
    })
    afterEach(async () => {
      for (const page of this.#open.splice(0)) await page.close()
    })
    afterAll(async () => {
      await Promise.all(this.#browsers.map((browser) => browser.close()))
      await this.#server?.close()
    })
  }

  get server(): TestServer {
    return this.#server!
  }

  /** Opens a page in one of the two. */
  async visit(browser: 0 | 1, url: string): Promise<CallPage> {
    const page = await CallPage.open(this.#browsers[browser]!, url)
    this.#open.push(page)
    return page
  }

  /** Two people who have joined a room of their own. */
  async begin(query = '', site: string = this.server.url): Promise<{ alice: CallPage; bob: CallPage; url: string }> {
    const url = `${site}/r/meeting-${++this.#rooms}${query}`
    const alice = await this.visit(0, url)
    await alice.join()
    await alice.sees('Waiting for the other side')
    const bob = await this.visit(1, url)
    await bob.join()
    return { alice, bob, url }
  }
}
