import type { Browser } from 'playwright-core'
import { afterAll, afterEach, beforeAll, expect, test, vi } from 'vitest'
import { launchChromium } from '../support/browsers.ts'
import { describeWith } from '../support/peers.ts'
import { startTestServer, type TestServer } from '../support/server.ts'
import { CallPage } from './call-page.ts'

// A busy machine takes its time to encode two pictures.
vi.setConfig({ testTimeout: 90_000, hookTimeout: 60_000 })

describeWith(['chromium'], 'a call between two Chromiums', () => {
  let server: TestServer
  let browsers: readonly Browser[] = []
  const open: CallPage[] = []
  let rooms = 0

  beforeAll(async () => {
    server = await startTestServer()
    browsers = await Promise.all([launchChromium(), launchChromium()])
  })

  afterEach(async () => {
    for (const page of open.splice(0)) await page.close()
  })

  afterAll(async () => {
    await Promise.all(browsers.map((browser) => browser.close()))
    await server.close()
  })

  const visit = async (browser: Browser, url: string): Promise<CallPage> => {
    const page = await CallPage.open(browser, url)
    open.push(page)
    return page
  }

  /** Two people who have joined a room of their own. */
  const meet = async (query = '', site = server.url): Promise<{ alice: CallPage; bob: CallPage; url: string }> => {
    const url = `${site}/r/meeting-${++rooms}${query}`
    const alice = await visit(browsers[0]!, url)
    await alice.join()
    await alice.sees('Waiting for the other side')
    const bob = await visit(browsers[1]!, url)
    await bob.join()
    return { alice, bob, url }
  }

  test('goes straight from one to the other', async () => {
    const { alice, bob } = await meet()
    for (const person of [alice, bob]) {
      const { local, remote } = await person.watch()
      expect([local, remote]).not.toContain('relay')
      await person.sees('Direct')
    }
    // Connectivity checks went there, pictures did not.
    expect((await server.counters()).toPeerPackets).toBeLessThan(50)
  })

  for (const transport of ['udp', 'tcp', 'tls'] as const) {
    test(`goes through our relay over ${transport}`, async () => {
      const before = await server.readings()
      const { alice, bob } = await meet(`?it=relay&tt=${transport}`, transport === 'tls' ? server.httpsUrl : server.url)
      for (const person of [alice, bob]) {
        expect(await person.watch()).toMatchObject({ local: 'relay', relayProtocol: transport })
        await person.sees(`Via relay (${transport})`)
      }
      const during = await server.readings()
      expect(during.turn.toPeerPackets).toBeGreaterThan(before.turn.toPeerPackets + 100)
      expect(during.net.clients[transport].receivedPackets).toBeGreaterThan(100)
      expect(during.allocations[transport]).toBeGreaterThan(before.allocations[transport])

      await Promise.all([alice.hangUp(), bob.hangUp()])
      await vi.waitFor(async () => {
        expect((await server.readings()).allocations[transport]).toBe(before.allocations[transport])
      }, 10_000)
    })
  }

  test('can be ended and taken up again', async () => {
    const { alice, bob } = await meet()
    await Promise.all([alice.watch(), bob.watch()])
    await alice.hangUp()
    await alice.sees('You left the call')
    await bob.sees('The other side left')
    await alice.page.getByRole('button', { name: 'Rejoin' }).click()
    await Promise.all([alice.watch(), bob.watch()])
  })

  for (const [who, index] of [
    ['who came first', 0],
    ['who came second', 1],
  ] as const) {
    test(`comes back when the one ${who} reloads the page`, async () => {
      const { alice, bob } = await meet()
      await Promise.all([alice.watch(), bob.watch()])
      const person = [alice, bob][index]!
      await person.page.reload()
      await person.join()
      await Promise.all([alice.watch(), bob.watch()])
    })
  }

  test('has no place for a third visitor until somebody leaves', async () => {
    const { alice, bob, url } = await meet()
    await Promise.all([alice.watch(), bob.watch()])
    const carol = await visit(browsers[0]!, url)
    await carol.sees('The room is full')
    await bob.hangUp()
    await carol.join()
    await Promise.all([alice.watch(), carol.watch()])
  })

  test('without a path says so, and looks for one again and again but not in a hurry', async () => {
    const closed = await startTestServer({ 'denied-peer-ip': '127.0.0.1' })
    try {
      const { alice, bob } = await meet('?it=relay&tt=udp', closed.url)
      const startedAt: number[] = []
      alice.page.on('request', (request) => {
        if (request.url().includes('/v1alpha/iceconfig')) startedAt.push(performance.now())
      })
      await alice.sees('No way to the other side found yet')
      await vi.waitFor(() => expect(startedAt.length).toBeGreaterThan(2), { timeout: 30_000 })
      expect(startedAt[2]! - startedAt[1]!).toBeGreaterThan(2000)
      await Promise.all([alice.hangUp(), bob.hangUp()])
    } finally {
      await closed.close()
    }
  })
})
