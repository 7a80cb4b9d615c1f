import wrtc from '@roamhq/wrtc'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { Connection } from '../../src/web/link/connection.ts'
import { wishesIn } from '../../src/web/link/wishes.ts'
import type { Message } from '../../src/web/room/message.ts'

const NOTHING = { audio: null, video: null }
const noServers = async () => []
let peers: Connection[] = []

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

function makePeer(said: Message[]): Connection {
  const peer = new Connection({ iceServers: [] }, NOTHING, wishesIn(''), {
    send: (message) => said.push(message),
    state: () => {},
    answered: () => {},
    talking: () => {},
    heard: () => {},
  })
  peers.push(peer)
  return peer
}

const candidatesOf = (said: readonly Message[]) => said.filter(({ type }) => type === 'candidate')
const connected = (peer: Connection) => vi.waitFor(() => expect(peer.state).toBe('connected'), { timeout: 15_000 })

test('AR-4.39 candidates that overtake the offer or the answer wait for it', async () => {
  const fromCaller: Message[] = []
  const fromCallee: Message[] = []
  const caller = makePeer(fromCaller)
  const callee = makePeer(fromCallee)
  await caller.call()
  await vi.waitFor(() => expect(candidatesOf(fromCaller).length).toBeGreaterThan(0))
  for (const message of candidatesOf(fromCaller)) await callee.receive(message, noServers)
  expect(callee.described).toBe(false)
  await callee.receive(fromCaller.find(({ type }) => type === 'offer')!, noServers)

  await vi.waitFor(() => expect(candidatesOf(fromCallee).length).toBeGreaterThan(0))
  for (const message of candidatesOf(fromCallee)) await caller.receive(message, noServers)
  expect(caller.described).toBe(false)
  await caller.receive(fromCallee.find(({ type }) => type === 'answer')!, noServers)
  await Promise.all([connected(caller), connected(callee)])
})

test('AR-4.39 an answer that nobody asked for is ignored, and so is a second one', async () => {
  const fromCaller: Message[] = []
  const fromCallee: Message[] = []
  const caller = makePeer(fromCaller)
  const callee = makePeer(fromCallee)
  await caller.call()
  await callee.receive(fromCaller.find(({ type }) => type === 'offer')!, noServers)
  const answer = fromCallee.find(({ type }) => type === 'answer')!
  await makePeer([]).receive(answer, noServers)
  await caller.receive(answer, noServers)
  await caller.receive(answer, noServers)
  expect(caller.described).toBe(true)
})

const offersIn = (said: readonly Message[]) => said.filter(({ type }) => type === 'offer')
const answersIn = (said: readonly Message[]) => said.filter(({ type }) => type === 'answer')

test('knows another such page by its description, and a phone app by the lack of it', async () => {
  const said: Message[] = []
  const caller = makePeer(said)
  const callee = makePeer([])
  const phone = makePeer([])
  await caller.call()
  const [offer] = offersIn(said) as { type: 'offer'; sdp: string }[]
  await callee.receive(offer!, noServers)
  await phone.receive({ type: 'offer', sdp: offer!.sdp.replace(/^a=x-webrtc-stack.*\r\n/m, '') }, noServers)
  expect([callee.kindred, phone.kindred]).toEqual([true, false])
})

test('an offer that is said again gets the same answer again', async () => {
  const fromCaller: Message[] = []
  const fromCallee: Message[] = []
  const caller = makePeer(fromCaller)
  const callee = makePeer(fromCallee)
  await caller.call()
  await callee.receive(offersIn(fromCaller)[0]!, noServers)
  await caller.repeat()
  expect(offersIn(fromCaller)).toHaveLength(2)
  await callee.receive(offersIn(fromCaller)[1]!, noServers)
  const [first, second] = answersIn(fromCallee) as { type: 'answer'; sdp: string }[]
  const ufrag = (sdp: string) => /^a=ice-ufrag:.*$/m.exec(sdp)![0]
  expect(ufrag(second!.sdp)).toBe(ufrag(first!.sdp))
  await caller.receive(second!, noServers)
  await Promise.all([connected(caller), connected(callee)])
})

test('the answer to an offer that was replaced is not taken for the answer to the new one', async () => {
  const fromCaller: Message[] = []
  const fromCallee: Message[] = []
  const caller = makePeer(fromCaller)
  const callee = makePeer(fromCallee)
  await caller.call()
  await callee.receive(offersIn(fromCaller)[0]!, noServers)
  await caller.restart([])
  await caller.receive(answersIn(fromCallee)[0]!, noServers)
  expect(caller.described).toBe(false)
  await callee.receive(offersIn(fromCaller)[1]!, noServers)
  await caller.receive(answersIn(fromCallee)[1]!, noServers)
  expect(caller.described).toBe(true)
  await Promise.all([connected(caller), connected(callee)])
})
