import { setTimeout as sleep } from 'node:timers/promises'
import type { Browser, Page } from 'playwright-core'
import { afterAll, afterEach, beforeAll, expect, test, vi } from 'vitest'
import { dictionaries } from '../../src/web/text/i18n.ts'
import { launchChromium } from '../support/browsers.ts'
import { Lan, type Machine } from '../support/lan.ts'
import { describeWith, peers } from '../support/peers.ts'
import { program, type RunningProgram } from '../support/program.ts'

const text = dictionaries.en
const site = 'http://10.9.0.1:8080'
/** The picture moves 5 s after the network's or the server's return; two browsers on a busy machine get more time. */
const PATIENCE_MS = 15_000

vi.setConfig({ testTimeout: 120_000, hookTimeout: 60_000 })

/** One person: a machine in the network, a Chromium on it, a page in that. */
class Person {
  readonly machine: Machine
  readonly browser: Browser
  readonly page: Page

  private constructor(machine: Machine, browser: Browser, page: Page) {
    this.machine = machine
    this.browser = browser
    this.page = page
  }

  static async on(machine: Machine): Promise<Person> {
    const script = machine.script(peers.chromium.path)
    const browser = await launchChromium([`--unsafely-treat-insecure-origin-as-secure=${site}`], script)
    const page = await browser.newPage({ locale: 'en-US' })
    await page.addInitScript(`
      window.seen = new Set()
      addEventListener('DOMContentLoaded', () => {
        const look = () => document.body.innerText.split('\\n').forEach((line) => seen.add(line))
        new MutationObserver(look).observe(document.body, { subtree: true, childList: true, characterData: true })
      })`)
    return new Person(machine, browser, page)
  }

  async join(path: string): Promise<void> {
    await this.page.goto(site + path)
    await this.page.getByRole('button', { name: text.join, exact: true }).click()
  }

  /** Pictures of the other side that this page has shown so far. */
  async frames(): Promise<number> {
    const script = "document.querySelector('video.remote')?.getVideoPlaybackQuality().totalVideoFrames ?? 0"
    return (await this.page.evaluate(script)) as number
  }

  /** Waits for the picture to move, from now on. */
  async watches(timeout = 30_000): Promise<void> {
    const before = await this.frames()
    await vi.waitFor(async () => expect(await this.frames()).toBeGreaterThan(before + 2), { timeout, interval: 50 })
  }

  /** Every line of text that the page has shown. */
  async saw(): Promise<string[]> {
    return (await this.page.evaluate('[...seen]')) as string[]
  }

  says(words: string): Promise<void> {
    return this.page.getByText(words, { exact: true }).first().waitFor({ timeout: 20_000 })
  }
}

describeWith(['chromium', 'iproute'], 'a call whose network or server changes', () => {
  let lan: Lan
  let alice: Person
  let bob: Person
  let calls = 0

  beforeAll(async () => {
    lan = await Lan.start()
    const people = ['10.9.1.1', '10.9.2.1'].map(async (address) => Person.on(await lan.machine(address)))
    ;[alice, bob] = (await Promise.all(people)) as [Person, Person]
  })
  afterAll(async () => {
    await Promise.all([alice, bob].map((person) => person?.browser.close()))
    await lan?.close()
  })
  afterEach(async () => {
    for (const person of [alice, bob]) await person.page.goto('about:blank')
  })

  /** As anybody starts it; the addresses are what the network has. */
  async function serve(): Promise<RunningProgram> {
    const server = program.start(['-n', '--host=10.9.0.1', '--listening-ip=10.9.0.1'], { network: lan.server.pid })
    await server.listening()
    return server
  }

  async function call(query: string): Promise<string> {
    const path = `/r/network-${++calls}${query}`
    await alice.join(path)
    await alice.says(text.waiting)
    await bob.join(path)
    await Promise.all([alice.watches(), bob.watches()])
    await sleep(2000)
    return path
  }

  const ways = [
    ['direct', ''],
    ['relayed', '?it=relay'],
  ] as const

  for (const [way, query] of ways)
    for (const who of ['answered', 'offered'] as const)
      test(`the one who ${who} gets another address: ${way}`, async () => {
        await serve()
        await call(query)
        const { machine } = who === 'answered' ? bob : alice
        machine.remove()
        await sleep(2000)
        machine.add(machine.address.replace(/\d+$/, String(calls + 1)))
        await bothWatchWithin(PATIENCE_MS)
      })

  for (const signal of ['SIGTERM', 'SIGKILL'] as const)
    test(`the server is restarted after ${signal}, and a third person is faster than the two in the call`, async () => {
      const server = await serve()
      const path = await call('?it=relay')
      const third = await alice.browser.newPage()
      await third.goto(site)
      server.kill(signal)
      await server.ended
      await sleep(1000)
      const joined = third.evaluate(joinEagerly, `/join/${path.slice(3)}`)
      await serve()
      await bothWatchWithin(PATIENCE_MS)
      expect(await joined).toBe('SUCCESS')
      expect(await third.evaluate(joinEagerly, `/join/${path.slice(3)}`)).toBe('FULL')
      await third.close()
      await sleep(3000)
      await Promise.all([alice.watches(), bob.watches()])
    })

  async function bothWatchWithin(ms: number): Promise<void> {
    const since = performance.now()
    await Promise.all([alice.watches(), bob.watches()])
    const took = performance.now() - since
    for (const person of [alice, bob]) expect(await person.saw()).not.toContain(text.peerLeft)
    expect(took).toBeLessThan(ms)
  }
})

/** Runs in the page: asks for a place until there is an answer, and tells which. */
async function joinEagerly(path: string): Promise<string> {
  for (;;) {
    const response = await fetch(path, { method: 'POST' }).catch(() => null)
    if (response !== null) return ((await response.json()) as { result: string }).result
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
}
