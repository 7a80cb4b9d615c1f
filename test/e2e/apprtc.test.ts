import type { Browser } from 'playwright-core'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest'
import { OriginalCollider } from '../support/apprtc/collider.ts'
import { OriginalPage } from '../support/apprtc/original-page.ts'
import { Phone } from '../support/apprtc/phone.ts'
import {
  android2023,
  androidJanuary2015,
  ios2015,
  ios2023,
  type PhoneGeneration,
} from '../support/apprtc/phone-generations.ts'
import { type Era, OriginalRoomServer } from '../support/apprtc/room-server.ts'
import { launchChromium } from '../support/browsers.ts'
import { describeWith } from '../support/peers.ts'
import { startTestServer, type TestOptions, type TestServer, testUser } from '../support/server.ts'

// A browser and libwebrtc share a busy machine, and the original Collider takes its 10 s.
vi.setConfig({ testTimeout: 90_000, hookTimeout: 60_000 })

/** Which parts of the originals stand beside ours, and where the room server is. */
interface Setting {
  readonly server: TestServer
  readonly roomServer: string
  close(): Promise<void>
}

interface Combination {
  readonly name: string
  readonly web: Era
  readonly phones: readonly PhoneGeneration[]
  /** A reload gets in at once, or only when Collider has noticed. */
  readonly reload: 'at once' | 'after 10 s'
  /** Whether `it=relay` binds both sides: the original room server asks for it by a name that browsers have forgotten. */
  readonly relayOnly: 'strictly' | 'as far as the page can'
  start(): Promise<Setting>
}

const start = (options: TestOptions = {}) =>
  startTestServer({
    // The default, named because this suite is not run for each way.
    'udp-io': 'auto',
    // All the people of all these calls have one address.
    'ice-config-per-minute': '0',
    ...options,
  })

const ours = (web: Era, phones: readonly PhoneGeneration[]): Combination => ({
  name: `our rooms and our hub, with the page of ${web}`,
  web,
  phones,
  reload: 'at once',
  relayOnly: 'strictly',
  start: async () => {
    const server = await start()
    return { server, roomServer: server.url, close: () => server.close() }
  },
})

const originalRooms = (era: Era, phones: readonly PhoneGeneration[]): Combination => ({
  name: `our Collider and the original rooms, ${era}`,
  web: era,
  phones,
  reload: 'at once',
  relayOnly: 'as far as the page can',
  start: async () => {
    const rooms = await OriginalRoomServer.start(era)
    const server = await start({
      rooms: 'false',
      'room-server': rooms.url,
      // The guides run it without TLS, and a browser trusts no certificate of a test.
      tls: 'false',
    })
    rooms.collider = `127.0.0.1:${server.running.web!.collider!.port}`
    const turn = (transport: 'udp' | 'tcp') => `turn:127.0.0.1:${server.ports[transport]}?transport=${transport}`
    rooms.turn = { urls: [turn('udp'), turn('tcp')], username: testUser.name, credential: testUser.password }
    return {
      server,
      roomServer: rooms.url,
      close: async () => {
        await rooms.close()
        await server.close()
        // It is asked at its own addresses; `/bye` is the one that Collider has always called.
        expect(rooms.unknown.filter((path) => !path.startsWith('/bye/'))).toEqual([])
      },
    }
  },
})

const originalCollider = (phones: readonly PhoneGeneration[]): Combination => ({
  name: 'our rooms and the original Collider',
  web: 'final',
  phones,
  reload: 'after 10 s',
  relayOnly: 'strictly',
  start: async () => {
    const collider = await OriginalCollider.start()
    // It has no certificate.
    const server = await start({ signaling: 'false', 'wss-host-port-pair': collider.host, tls: 'false' })
    collider.roomServer = server.url
    return {
      server,
      roomServer: server.url,
      close: async () => {
        await collider.close()
        await server.close()
      },
    }
  },
})

const everyPhone = [androidJanuary2015, android2023, ios2015, ios2023]

describeWith(['chromium'], 'the original clients', () => {
  let browser: Browser
  beforeAll(async () => {
    browser = await launchChromium()
  })
  afterAll(() => browser?.close())

  const combinations = [
    ours('final', everyPhone),
    ours('2015', []),
    originalRooms('final', [android2023, ios2023]),
    originalRooms('2015', [androidJanuary2015, ios2015]),
    originalCollider(everyPhone),
  ]
  describe.each(named(combinations))('%s', (_name, { web, phones, reload, relayOnly, start }) => {
    let setting: Setting
    let room = ''
    let rooms = 0
    const clients: { close(): unknown }[] = []

    beforeAll(async () => {
      setting = await start()
    })
    afterAll(() => setting?.close())
    beforeEach(() => {
      room = `original-${++rooms}`
    })
    afterEach(async () => {
      for (const client of clients.splice(0)) await client.close()
    })

    async function visit(query = 'video=false'): Promise<OriginalPage> {
      const page = await OriginalPage.open(browser, setting.roomServer, room, { query, era: web })
      clients.push(page)
      return page
    }
    function phone(generation: PhoneGeneration): Phone {
      const app = new Phone(generation, setting.roomServer, room)
      clients.push({ close: () => app.kill() })
      return app
    }
    async function call(query?: string): Promise<[OriginalPage, OriginalPage]> {
      const first = await visit(query)
      await first.join()
      await first.shows('waiting')
      const second = await visit(query)
      await second.join()
      for (const page of [first, second]) await page.shows('connected')
      return [first, second]
    }

    test('AR-3.5 two pages call, one hangs up and comes back', async () => {
      const [first, second] = await call()
      await first.hangUp()
      await second.shows('The remote side hung up.')
      await first.join()
      for (const page of [first, second]) await page.shows('connected')
    })

    test('a third finds the room full, until one of the two has left', async () => {
      const [first, second] = await call()
      const third = await visit()
      await third.join()
      await third.shows('FULL')
      await second.hangUp()
      await first.shows('The remote side hung up.')
      await third.join()
      for (const page of [first, third]) await page.shows('connected')
    })

    test.each([0, 1])(`AR-5.2.2 a page is reloaded, and is back ${reload} (client %i of the call)`, async (which) => {
      const pages = await call()
      await pages[which]!.reload()
      await pages[which]!.join()
      if (reload === 'after 10 s') {
        await pages[which]!.shows('FULL')
        await expect
          .poll(() => pages[which]!.join().then(() => pages[which]!.state()), { timeout: 20_000, interval: 500 })
          .not.toBe('FULL')
      }
      for (const page of pages) await page.shows('connected')
    })

    test.each([
      ['it=relay', 'udp, tcp, tls'],
      ['it=relay&tt=udp', 'udp'],
      // The page of 2015 takes `turns:`, too, where it says transport=tcp.
      ['it=relay&tt=tcp', web === '2015' ? 'tcp, tls' : 'tcp'],
    ])('?%s goes through our relay, over %s', async (query, transports) => {
      const paths = await Promise.all((await call(`${query}&video=false`)).map((page) => page.path()))
      const relayed = paths.filter(({ local }) => local === 'relay')
      expect(relayed.length).toBeGreaterThanOrEqual(relayOnly === 'strictly' ? 2 : 1)
      for (const { relay } of relayed) expect(transports.split(', ')).toContain(relay)
    })

    test.each(['tt=udp', 'tt=tcp'])('AR-5.2.15 ?%s is a configuration that browsers take', async (query) => {
      await call(`${query}&video=false`)
    })

    describe.each(named(phones))('%s', (_name, generation) => {
      test('calls the page, and is hung up on', async () => {
        const app = phone(generation)
        await app.join()
        const page = await visit()
        await page.join()
        await Promise.all([app.shows('connected'), page.shows('connected')])
        await page.hangUp()
        await app.shows('the other side hung up')
      })

      test('is called by the page, hangs up and calls again', async () => {
        const page = await visit()
        await page.join()
        await page.shows('waiting')
        for (const app of [phone(generation), phone(generation)]) {
          await app.join()
          await Promise.all([app.shows('connected'), page.shows('connected')])
          await app.hangUp()
          await page.shows('The remote side hung up.')
        }
      })

      test.each(named(phones))('calls %s', async (_name, other) => {
        const [caller, callee] = [phone(generation), phone(other)]
        await caller.join()
        await callee.join()
        await Promise.all([caller.shows('connected'), callee.shows('connected')])
        const third = phone(other)
        await third.join()
        expect(third.state).toBe('FULL')
        await callee.hangUp()
        await caller.shows('the other side hung up')
      })
    })
  })
})

/** For names of suites and tests in full. */
function named<T extends { readonly name: string }>(all: readonly T[]): [string, T][] {
  return all.map((one) => [one.name, one])
}
