import wrtc from '@roamhq/wrtc'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { startTestServer, type TestServer } from '../support/server.ts'
import { expectRelayed, relayServer, talk } from './data-channel.ts'

let server: TestServer

beforeEach(async () => {
  server = await startTestServer()
})

afterEach(() => server.close())

/** libwebrtc outside of a browser; it takes no certificate that it doesn't know, so there is no TLS here. */
describe('@roamhq/wrtc', () => {
  for (const transport of ['udp', 'tcp'] as const) {
    test(`two peers talk through our relay alone, over ${transport}`, async () => {
      const iceServers = [await relayServer(server, transport)]
      const peer = () => new wrtc.RTCPeerConnection({ iceServers, iceTransportPolicy: 'relay' })
      const caller = peer()
      const callee = peer()
      const candidates = await talk(caller, callee)
      await expectRelayed(server, candidates, transport)
      for (const connection of [caller, callee]) expect(await selectedTypes(connection)).toEqual(['relay', 'relay'])
      caller.close()
      callee.close()
      await server.expectNoAllocations()
    })
  }
})

async function selectedTypes(connection: RTCPeerConnection): Promise<unknown[]> {
  const report = new Map<string, Record<string, unknown>>()
  const stats = await connection.getStats()
  stats.forEach((entry: Record<string, unknown>, id: string) => void report.set(id, entry))
  const pair = [...report.values()].find(({ type, nominated }) => type === 'candidate-pair' && nominated === true)
  return [pair?.['localCandidateId'], pair?.['remoteCandidateId']].map(
    (id) => report.get(String(id))?.['candidateType'],
  )
}
