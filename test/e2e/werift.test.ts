import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { RTCPeerConnection as WeriftConnection } from 'werift'
import { startTestServer, type TestServer } from '../support/server.ts'
import { expectRelayed, relayServer, talk } from './data-channel.ts'

let server: TestServer

beforeEach(async () => {
  server = await startTestServer()
})

afterEach(() => server.close())

describe('werift', () => {
  for (const transport of ['udp', 'tcp', 'tls'] as const) {
    test(`two peers talk through our relay alone, over ${transport}`, async () => {
      const { urls, username, credential } = await relayServer(server, transport)
      const peer = () =>
        new WeriftConnection({
          iceServers: [{ urls: urls[0]!, username: username!, credential: credential! }],
          iceTransportPolicy: 'relay',
          turnTlsOptions: { rejectUnauthorized: false },
        })
      const caller = peer()
      const callee = peer()
      // Its types are its own; its methods and events are those of the browser's class.
      const candidates = await talk(caller as unknown as RTCPeerConnection, callee as unknown as RTCPeerConnection)
      await expectRelayed(server, candidates, transport)
      for (const { iceTransports } of [caller, callee]) {
        const { nominated } = iceTransports[0]!.connection
        expect(nominated?.localCandidate.type).toBe('relay')
        expect(nominated?.remoteCandidate.type).toBe('relay')
      }
      await Promise.all([caller.close(), callee.close()])
      // It goes without a Refresh, so only a connection's end tells.
      if (transport !== 'udp') await server.expectNoAllocations()
    })
  }
})
