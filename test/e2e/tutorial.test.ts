import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Browser } from 'playwright-core'
import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import { launchChromium } from '../support/browsers.ts'
import { describeWith } from '../support/peers.ts'
import { testCertificate, udpIo } from '../support/server.ts'
import { tutorial } from '../support/tutorial.ts'
import { CallPage } from './call-page.ts'
import { Command, ourCommand } from './command.ts'

vi.setConfig({ testTimeout: 90_000, hookTimeout: 60_000 })

describeWith(['chromium'], "the tutorial's turnserver.conf", () => {
  const folder = mkdtempSync(join(tmpdir(), 'webrtc-stack-tutorial-'))
  let server: Command | undefined
  let browsers: readonly Browser[] = []

  beforeAll(async () => {
    const file = join(folder, 'turnserver.conf')
    const withOurCertificate = tutorial('127.0.0.1')
      .replace('/usr/local/etc/turn_server_cert.pem', testCertificate.cert)
      .replace('/usr/local/etc/turn_server_pkey.pem', testCertificate.key)
    writeFileSync(file, withOurCertificate)
    // Ports that are free, relays on the only network of this test; and AppRTC's constant for its ICE servers, which the
    // tutorial points at its own script.
    const ports = ['listening-port', 'tls-listening-port', 'http-port', 'https-port', 'port'].map((key) => `--${key}=0`)
    const flags = [...ports, '--host=127.0.0.1', '--allow-loopback-peers', `--udp-io=${udpIo}`]
    const constant = '--ice-server-url-template=%s/turn.php?username=diveinedu&key=%s'
    server = new Command([process.execPath, ourCommand, 'serve', '-c', file, ...flags, constant], folder)
    browsers = await Promise.all([launchChromium(), launchChromium()])
  })

  afterAll(async () => {
    await Promise.all(browsers.map((browser) => browser.close()))
    await server?.kill()
    rmSync(folder, { recursive: true })
  })

  test('starts, and a call is relayed with credentials from /turn.php', async () => {
    const site = await server!.serving()
    const url = `${site}/r/diveinedu?it=relay`
    const people: CallPage[] = []
    for (const browser of browsers) {
      const person = await CallPage.open(browser, url)
      const credentials = person.page.waitForRequest(/\/turn\.php\?/)
      await person.join()
      await credentials
      people.push(person)
    }
    for (const person of people) expect(await person.watch()).toMatchObject({ local: 'relay' })
    for (const person of people) await person.close()

    expect(server!.err).toMatch(/no-loopback-peers.*is the default now/)
    expect(server!.err).not.toMatch(/"level":"(error|fatal)"/)
    expect(await server!.stop(), server!.err).toBe(0)
  })
})
