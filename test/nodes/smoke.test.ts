import { readlinkSync, realpathSync } from 'node:fs'
import type { Browser } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { RTCPeerConnection as WeriftConnection } from 'werift'
import { linuxSupport } from '../../src/net/linux/system-calls.ts'
import { CallPage } from '../e2e/call-page.ts'
import { relayServer, talk } from '../e2e/data-channel.ts'
import { launchChromium } from '../support/browsers.ts'
import { describeWith } from '../support/peers.ts'
import { expectNoBug, program, type RunningProgram } from '../support/program.ts'
import { testCertificate } from '../support/server.ts'
import { type EchoPeer, startEchoPeer, uclient } from '../support/turnutils.ts'
import { describeNodes } from './nodes.ts'

// A busy machine takes its time to encode two pictures.
vi.setConfig({ testTimeout: 90_000, hookTimeout: 60_000 })

/** Addresses and ports of a test, and the certificate that TLS needs; all else is as a person has it who sets nothing. */
const SETTINGS = [
  ...['host=127.0.0.1', 'http-port=0', 'https-port=0', 'port=0'],
  ...['listening-ip=127.0.0.1', 'listening-port=0', 'tls-listening-port=0'],
  ...[`cert=${testCertificate.cert}`, `pkey=${testCertificate.key}`],
  // The peers are on loopback as well.
  'allow-loopback-peers',
  // Off unless asked for, and a client that speaks it is to be served.
  'dtls',
].map((setting) => `--${setting}`)

/** What turnutils_uclient is told for each transport, and the URI that leads there. */
const TRANSPORTS = {
  udp: { words: [], uri: /turn:127\.0\.0\.1:(\d+)\?transport=udp/ },
  tcp: { words: ['-t'], uri: /turn:127\.0\.0\.1:(\d+)\?transport=tcp/ },
  // It takes a TLS record for a message, so it would lose those that share one: they come at long intervals.
  tls: { words: ['-t', '-S', '-z', '1000'], uri: /turns:127\.0\.0\.1:(\d+)\?transport=tcp/ },
  dtls: { words: ['-S'], uri: /turns:127\.0\.0\.1:(\d+)\?transport=udp/ },
} as const

describeNodes('serves', ({ path }) => {
  /** Ends with an error when the program has complained of anything but its settings. */
  async function withProgram(words: readonly string[], body: (site: Site) => Promise<void>): Promise<void> {
    const running = program.start(['serve', '-n', ...SETTINGS, ...words], { node: path })
    await running.listening()
    expect(readlinkSync(`/proc/${running.pid}/exe`)).toBe(realpathSync(path))
    const address = (scheme: string) => new RegExp(`${scheme}://127\\.0\\.0\\.1:\\d+`).exec(running.out)![0]
    await body({ running, url: address('http'), secureUrl: address('https') })
    expectNoBug(running)
    running.kill('SIGTERM')
    await running.ended
    expect(running.exitCode, running.err).toBe(0)
    // What Node itself has to say, of things that it will do without some day.
    expect(running.err).not.toMatch(/^\(node:\d+\)/m)
  }

  describeWith(['chromium'], 'the page', () => {
    let browser: Browser

    beforeAll(async () => {
      browser = await launchChromium()
    })
    afterAll(() => browser.close())

    test('to two people whose call is relayed over TCP', async () => {
      await withProgram([], async ({ secureUrl }) => {
        const people: CallPage[] = []
        for (const expected of ['Waiting for the other side', 'Via relay (tcp)']) {
          const person = await CallPage.open(browser, `${secureUrl}/r/first-call?it=relay&tt=tcp`)
          people.push(person)
          await person.join()
          await person.sees(expected)
        }
        for (const person of people) expect(await person.watch()).toMatchObject({ local: 'relay' })
        for (const person of people) await person.close()
      })
    })
  })

  describe('werift', () => {
    test('two peers whose call is relayed over UDP', async () => {
      await withProgram([], async ({ url }) => {
        const { urls, username, credential } = await relayServer({ url }, 'udp')
        const peer = () =>
          new WeriftConnection({
            iceServers: [{ urls, username: username!, credential: credential! }],
            iceTransportPolicy: 'relay',
          })
        const [caller, callee] = [peer(), peer()]
        // Its types are its own; its methods and events are those of the browser's class.
        const candidates = await talk(caller as unknown as RTCPeerConnection, callee as unknown as RTCPeerConnection)
        for (const candidate of candidates) expect(candidate).toContain('typ relay')
        await Promise.all([caller.close(), callee.close()])
      })
    })
  })

  describeWith(['coturn'], 'turnutils_uclient', () => {
    let echoPeer: EchoPeer

    beforeAll(async () => {
      echoPeer = await startEchoPeer()
    })
    afterAll(() => echoPeer.close())

    test.each([
      ['auto', linuxSupport().available ? 'in batches' : 'one by one'],
      ['dgram', 'one by one'],
    ])('over UDP, TCP, TLS and DTLS (udp-io=%s: UDP packets are moved %s)', async (udpIo, moved) => {
      await withProgram([`--udp-io=${udpIo}`], async ({ running, url }) => {
        expect(running.log.map(({ msg }) => msg)).toContainEqual(
          expect.stringContaining(`UDP packets are moved ${moved}`),
        )
        const { username, credential } = await relayServer({ url }, 'udp')
        await Promise.all(
          Object.entries(TRANSPORTS).map(async ([transport, { words, uri }]) => {
            const [, port] = uri.exec(running.out)!
            const { text, ...summary } = await uclient([
              ...words,
              ...['-u', username!, '-w', credential!, '-e', '127.0.0.1', '-r', String(echoPeer.port)],
              // Without RTCP, for whose port the range would have to be this test's own.
              ...['-c', '-m', '2', '-n', '3', '-p', port!, '127.0.0.1'],
            ])
            expect(summary, `${transport}: ${text}`).toEqual({ code: 0, sent: 6, received: 6, lost: 0 })
          }),
        )
      })
    })
  })
})

interface Site {
  readonly running: RunningProgram
  readonly url: string
  readonly secureUrl: string
}
