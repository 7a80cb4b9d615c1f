import type { Browser } from 'playwright-core'
import type { Page, Browser as PuppeteerBrowser } from 'puppeteer-core'
import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import { launchChromium, launchFirefox } from '../support/browsers.ts'
import { describeWith } from '../support/peers.ts'
import { startTestServer, type TestServer } from '../support/server.ts'
import { CallPage, type Reading, readConnection, watchConnections } from './call-page.ts'

describeWith(['chromium', 'firefox'], 'a call between Firefox and Chromium', () => {
  let server: TestServer
  let chromium: Browser | undefined
  let firefox: PuppeteerBrowser | undefined
  let tries = 0

  beforeAll(async () => {
    server = await startTestServer()
    ;[chromium, firefox] = await Promise.all([launchChromium(), launchFirefox()])
  })

  afterAll(async () => {
    await Promise.all([chromium?.close(), firefox?.close()])
    await server.close()
  })

  test('goes through our relay from end to end', { timeout: 90_000 }, async () => {
    // A room of its own for each try: pages of one that failed are in theirs still.
    const url = `${server.url}/r/two-engines-${++tries}?it=relay&tt=udp`
    const fox = await firefox!.newPage()
    await fox.evaluateOnNewDocument(watchConnections)
    await fox.goto(url)
    await press(fox, 'Join')
    await vi.waitFor(async () => expect(await fox.evaluate(words)).toContain('Waiting for the other side'), WAIT)
    const chrome = await CallPage.open(chromium!, url)
    await chrome.join()

    expect(await chrome.watch()).toMatchObject({ local: 'relay', relayProtocol: 'udp' })
    const first = await reading(fox, () => true)
    const later = await reading(fox, ({ framesDecoded }) => framesDecoded > first.framesDecoded + 2)
    expect(later).toMatchObject({ local: 'relay', relayProtocol: 'udp' })
    // The page looks once a second.
    await vi.waitFor(async () => expect(await fox.evaluate(words)).toContain('Via relay (udp)'), WAIT)
    expect((await server.counters()).toPeerPackets).toBeGreaterThan(100)

    // What one page says to the other goes by the relay, too.
    await chrome.page.keyboard.press('t')
    await chrome.page.getByLabel('Write a message').fill('from one engine to the other')
    await chrome.page.keyboard.press('Enter')
    await press(fox, 'Chat, 1 new')
    await vi.waitFor(async () => expect(await fox.evaluate(words)).toContain('from one engine to the other'), WAIT)
    await press(fox, 'Close')
    await press(fox, 'Mute')
    await chrome.page
      .locator('.tile', { has: chrome.page.locator('video.remote') })
      .getByText('Muted')
      .waitFor()
    await fox.keyboard.press('i')
    await vi.waitFor(async () => expect(await fox.evaluate(words)).toMatch(/relay ⇄ \w+ \(udp\)/), WAIT)

    await press(fox, 'Hang up')
    await chrome.sees('The other side left')
    await chrome.close()
  })
})

const WAIT = { timeout: 30_000, interval: 200 }

async function press(page: Page, name: string): Promise<void> {
  await vi.waitFor(async () => expect(await page.evaluate(clickButton, name)).toBe(true), WAIT)
}

function reading(page: Page, isThere: (reading: Reading) => boolean): Promise<Reading> {
  return vi.waitFor(async () => {
    const seen = (await page.evaluate(readConnection)) as Reading | null
    if (seen === null || !isThere(seen)) throw new Error(`no moving picture in Firefox: ${JSON.stringify(seen)}`)
    return seen
  }, WAIT)
}

/** Runs in the page: presses the button of this name, if it is there. */
function clickButton(name: string): boolean {
  const buttons = [...document.querySelectorAll('button')]
  const button = buttons.find(({ ariaLabel, textContent }) => (ariaLabel ?? textContent?.trim()) === name)
  button?.click()
  return button !== undefined
}

/** Runs in the page. */
function words(): string {
  return document.body.innerText
}
