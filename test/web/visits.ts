import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import type { AxeResults } from 'axe-core'
import type { Browser, BrowserContext, Page } from 'playwright-core'
import { afterAll, afterEach, beforeAll, expect } from 'vitest'
import { callPages } from '../../src/http/page/page.ts'
import { dictionaries } from '../../src/web/text/i18n.ts'
import { Service } from '../http/service.ts'
import { launchChromium } from '../support/browsers.ts'

const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8')
/** Where to put a picture of every state, for people to look at; none without it. */
const pictures = process.env['PAGE_PICTURES']

export const desktop = { viewport: { width: 1280, height: 800 }, colorScheme: 'light' } as const
const phone = { viewport: { width: 390, height: 844 }, colorScheme: 'dark' } as const
const sideways = { width: 844, height: 390 }
const text = dictionaries.en

/** Our server and people at its page, in a Chromium. Fails the test whose page complains or asks another host for anything. */
export class Visits {
  #service: Service | undefined
  #browser: Browser | undefined
  origin = ''
  readonly #complaints: string[] = []
  readonly #contexts: BrowserContext[] = []

  /** Registers what begins and ends them with the suite. */
  constructor() {
    beforeAll(async () => {
      this.#service = await Service.start({ pages: callPages, http: { iceServerBaseUrl: '' } })
      const { port } = this.#service.listener.address
      this.origin = `http://call.test:${port}`
      this.#browser = await launchChromium([
        '--host-resolver-rules=MAP *.test 127.0.0.1',
        `--unsafely-treat-insecure-origin-as-secure=${this.origin}`,
      ])
    })
    afterAll(async () => {
      await this.#browser?.close()
      await this.#service?.close()
    })
    afterEach(async () => {
      await Promise.all(this.#contexts.splice(0).map((context) => context.close()))
      expect(this.#complaints.splice(0)).toEqual([])
    })
  }

  get service(): Service {
    return this.#service!
  }

  /** A visitor of their own. */
  async visit(path: string, script = '', base = this.origin): Promise<Page> {
    const context = await this.#browser!.newContext({ ...desktop, locale: 'en-US', reducedMotion: 'reduce' })
    this.#contexts.push(context)
    if (script !== '') await context.addInitScript(script)
    const page = await context.newPage()
    page.on('pageerror', (error) => this.#complaints.push(String(error.stack)))
    page.on('console', (message) => {
      if (message.type() === 'error') this.#complaints.push(message.text())
    })
    page.on('request', (request) => {
      if (new URL(request.url()).host !== new URL(base).host) this.#complaints.push(`request to ${request.url()}`)
    })
    page.on('response', (response) => {
      if (response.status() >= 400) this.#complaints.push(`${response.status()} ${response.url()}`)
    })
    await page.goto(base + path)
    return page
  }

  /** Complaints that have this in them are what the test wanted. */
  forgive(what: string): void {
    this.#complaints.splice(0, Infinity, ...this.#complaints.filter((line) => !line.includes(what)))
  }
}

/**
 * Nothing for axe to find and nothing wider than the screen: on a desktop in the light, on a phone in the dark and in Chinese, and
 * on that phone turned.
 */
export async function look(page: Page, state: string): Promise<void> {
  await inspect(page, `${state} desktop`)
  await page.setViewportSize(phone.viewport)
  await page.emulateMedia({ colorScheme: phone.colorScheme })
  await button(page, '中文').click()
  expect(await page.evaluate('document.documentElement.lang')).toBe('zh-CN')
  await inspect(page, `${state} phone`)
  await page.setViewportSize(sideways)
  await inspect(page, `${state} sideways`)
  await button(page, 'English').click()
  await page.emulateMedia({ colorScheme: desktop.colorScheme })
  await page.setViewportSize(desktop.viewport)
}

/** The same for what is on the screen now. */
export async function inspect(page: Page, state: string): Promise<void> {
  await page.evaluate(axe)
  const results = (await page.evaluate('axe.run({ resultTypes: ["violations"] })')) as AxeResults
  const found = results.violations.map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html).join(' ')}`)
  expect(found, state).toEqual([])
  expect(await page.evaluate('document.documentElement.scrollWidth - innerWidth'), state).toBeLessThanOrEqual(0)
  if (pictures !== undefined) await page.screenshot({ path: `${pictures}/${state.replaceAll(' ', '-')}.png` })
}

export const button = (page: Page, name: string | RegExp) => page.getByRole('button', { name, exact: true })
export const heading = (page: Page, name: string) => page.getByRole('heading', { name, exact: true })

/** Pictures of the other side that the page has shown. */
const frames = (page: Page) =>
  page.evaluate("document.querySelector('video.remote')?.getVideoPlaybackQuality().totalVideoFrames ?? 0")

/** Waits for the picture of the other side. */
export const playing = (page: Page) => expect.poll(() => frames(page), { timeout: 20_000 }).toBeGreaterThan(5)

/** Joins with camera and microphone. */
export async function join(page: Page): Promise<void> {
  await page.locator('.preview video').waitFor()
  await button(page, text.join).click()
}
