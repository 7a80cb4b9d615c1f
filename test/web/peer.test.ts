import wrtc from '@roamhq/wrtc'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { Peer } from '../../src/web/link/peer.ts'
import type { Message } from '../../src/web/room/message.ts'

const NOTHING = { audio: null, video: null }
let peers: Peer[] = []

// The page's code as it is, on a WebRTC library instead of a browser.
beforeEach(() => {
  vi.stubGlobal('RTCPeerConnection', wrtc.RTCPeerConnection)
  vi.stubGlobal('MediaStream', wrtc.MediaStream)
})

afterEach(() => {
  for (const peer of peers) peer.close()
  peers = []
  vi.unstubAllGlobals()
})

function makePeer(said: Message[]): Peer {
  const peer = new Peer({ iceServers: [] }, NOTHING, { send: (message) => said.push(message), state: () => {} })
  peers.push(peer)
  return peer
}

const candidatesOf = (said: readonly Message[]) => said.filter(({ type }) => type === 'candidate')
const connected = (peer: Peer) => vi.waitFor(() => expect(peer.state).toBe('connected'), { timeout: 15_000 })

test('AR-4.39 candidates that overtake the offer or the answer wait for it', async () => {
  const fromCaller: Message[] = []
  const fromCallee: Message[] = []
  const caller = makePeer(fromCaller)
  const callee = makePeer(fromCallee)
  await caller.call()
  await vi.waitFor(() => expect(candidatesOf(fromCaller).length).toBeGreaterThan(0))
  for (const message of candidatesOf(fromCaller)) await callee.receive(message)
  expect(callee.answered).toBe(false)
  await callee.receive(fromCaller.find(({ type }) => type === 'offer')!)

  await vi.waitFor(() => expect(candidatesOf(fromCallee).length).toBeGreaterThan(0))
  for (const message of candidatesOf(fromCallee)) await caller.receive(message)
  expect(caller.answered).toBe(false)
  await caller.receive(fromCallee.find(({ type }) => type === 'answer')!)
  await Promise.all([connected(caller), connected(callee)])
})

test('AR-4.39 an answer that nobody asked for is ignored, and so is a second one', async () => {
  const fromCaller: Message[] = []
  const fromCallee: Message[] = []
  const caller = makePeer(fromCaller)
  const callee = makePeer(fromCallee)
  await caller.call()
  await callee.receive(fromCaller.find(({ type }) => type === 'offer')!)
  const answer = fromCallee.find(({ type }) => type === 'answer')!
  await makePeer([]).receive(answer)
  await caller.receive(answer)
  await caller.receive(answer)
  expect(caller.answered).toBe(true)
})
