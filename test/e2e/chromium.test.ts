import { expect, test, vi } from 'vitest'
import { describeWith } from '../support/peers.ts'
import { startTestServer } from '../support/server.ts'
import { Meeting } from './meeting.ts'

// A busy machine takes its time to encode two pictures.
vi.setConfig({ testTimeout: 90_000, hookTimeout: 60_000 })

describeWith(['chromium'], 'a call between two Chromiums', () => {
  const meeting = new Meeting()

  test('goes straight from one to the other', async () => {
    const { alice, bob } = await meeting.begin()
    for (const person of [alice, bob]) {
      const { local, remote } = await person.watch()
      expect([local, remote]).not.toContain('relay')
      await person.sees('Direct')
    }
    // Connectivity checks went there, pictures did not.
    expect((await meeting.server.counters()).toPeerPackets).toBeLessThan(50)
  })

  for (const transport of ['udp', 'tcp', 'tls'] as const) {
    test(`goes through our relay over ${transport}`, async () => {
      const before = await meeting.server.readings()
      const { alice, bob } = await meeting.begin(
        `?it=relay&tt=${transport}`,
        transport === 'tls' ? meeting.server.httpsUrl : meeting.server.url,
      )
      for (const person of [alice, bob]) {
        expect(await person.watch()).toMatchObject({ local: 'relay', relayProtocol: transport })
        await person.sees(`Via relay (${transport})`)
      }
      const during = await meeting.server.readings()
      expect(during.turn.toPeerPackets).toBeGreaterThan(before.turn.toPeerPackets + 100)
      expect(during.net.clients[transport].receivedPackets).toBeGreaterThan(100)
      expect(during.allocations[transport]).toBeGreaterThan(before.allocations[transport])

      await Promise.all([alice.hangUp(), bob.hangUp()])
      await vi.waitFor(async () => {
        expect((await meeting.server.readings()).allocations[transport]).toBe(before.allocations[transport])
      }, 10_000)
    })
  }

  test('without a path says so, and looks for one again and again but not in a hurry', async () => {
    // A relay that reaches nobody.
    const closed = await startTestServer({ 'denied-peer-ip': '127.0.0.1' })
    try {
      const { alice, bob } = await meeting.begin('?it=relay&tt=udp', closed.url)
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
