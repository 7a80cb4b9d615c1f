import { expect, test } from 'vitest'
import { startTestServer, udpIo } from '../support/server.ts'

// The suites of these folders mean nothing if they all judge the same driver.

test('the server of these suites moves packets as the name of the run says', async () => {
  const server = await startTestServer({ 'relay-threads': '3' })
  const metrics = await (await fetch(`${server.url}/metrics`)).text()
  const threads = udpIo === 'batch' ? 3 : 1
  expect(metrics).toContain(`\nwebrtc_stack_relay_threads{io="${udpIo}"} ${threads}\n`)
  const said = udpIo === 'batch' ? 'UDP packets are moved in batches' : 'UDP packets are moved one by one'
  expect((await server.log()).filter(({ msg }) => String(msg).startsWith(said))).toHaveLength(1)
  await server.close()
})
