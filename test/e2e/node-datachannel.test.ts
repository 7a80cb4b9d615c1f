import { type DataChannel, PeerConnection } from 'node-datachannel'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { startTestServer, type TestServer } from '../support/server.ts'
import { expectRelayed, relayServer } from './data-channel.ts'

let server: TestServer

beforeEach(async () => {
  server = await startTestServer()
})

afterEach(() => server.close())

/** libjuice, which knows TURN over UDP only. */
describe('node-datachannel', () => {
  test('two peers talk through our relay alone', async () => {
    const { username, credential } = await relayServer(server, 'udp')
    const candidates: string[] = []
    const peer = (name: string) =>
      new PeerConnection(name, {
        iceServers: [
          {
            hostname: '127.0.0.1',
            port: server.ports.udp,
            username: username!,
            password: credential!,
            relayType: 'TurnUdp',
          },
        ],
        iceTransportPolicy: 'relay',
      })
    const caller = peer('caller')
    const callee = peer('callee')
    for (const [from, to] of [
      [caller, callee],
      [callee, caller],
    ] as const) {
      from.onLocalDescription((sdp, type) => to.setRemoteDescription(sdp, type))
      from.onLocalCandidate((candidate, mid) => {
        candidates.push(candidate)
        to.addRemoteCandidate(candidate, mid)
      })
    }
    const channels: DataChannel[] = []
    callee.onDataChannel((channel) => {
      // Kept, because the library closes a channel that is collected.
      channels.push(channel)
      channel.onMessage((text) => channel.sendMessage(`you said ${text}`))
    })
    const channel = caller.createDataChannel('words')
    channels.push(channel)
    const answer = new Promise((resolve) => channel.onMessage(resolve))
    channel.onOpen(() => channel.sendMessage('hello'))

    expect(await answer).toBe('you said hello')
    await expectRelayed(server, candidates, 'udp')
    // Which pair it ends up with is not asked: libjuice also takes a path from its own host, whatever the policy says.
    caller.close()
    callee.close()
  })
})
