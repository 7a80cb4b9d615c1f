import { expect } from 'vitest'
import type { TestServer } from '../support/server.ts'

export type RelayTransport = 'udp' | 'tcp' | 'tls'

/** The ICE server that our page would get, with one transport only. */
export async function relayServer(server: Pick<TestServer, 'url'>, transport: RelayTransport): Promise<RTCIceServer> {
  const answer = await fetch(`${server.url}/v1alpha/iceconfig`, { method: 'POST' })
  const { uris, username, password } = (await answer.json()) as { uris: string[]; username: string; password: string }
  const ending = transport === 'udp' ? '?transport=udp' : '?transport=tcp'
  const scheme = transport === 'tls' ? 'turns:' : 'turn:'
  const urls = uris.filter((uri) => uri.startsWith(scheme) && uri.endsWith(ending))
  expect(urls, `one ${transport} URI among ${uris.join(' ')}`).toHaveLength(1)
  return { urls, username, credential: password }
}

/** Connects two peers and says something each way over a data channel; returns all candidates that they offered. */
export async function talk(caller: RTCPeerConnection, callee: RTCPeerConnection): Promise<string[]> {
  const candidates: string[] = []
  trickle(caller, callee, candidates)
  trickle(callee, caller, candidates)

  const channel = caller.createDataChannel('words')
  const answered = new Promise<string>((resolve) => {
    channel.onmessage = ({ data }) => resolve(textOf(data))
  })
  callee.ondatachannel = ({ channel: far }) => {
    far.onmessage = ({ data }) => far.send(`you said ${textOf(data)}`)
  }
  const opened = new Promise<void>((resolve) => {
    channel.onopen = () => resolve()
  })

  const offer = await caller.createOffer()
  await caller.setLocalDescription(offer)
  await callee.setRemoteDescription(offer)
  const answer = await callee.createAnswer()
  await callee.setLocalDescription(answer)
  await caller.setRemoteDescription(answer)

  await opened
  channel.send('hello')
  expect(await answered).toBe('you said hello')
  return candidates
}

/** Each side's traffic went through its own allocation: what one relay sent, the other one got. */
export async function expectRelayed(
  server: TestServer,
  candidates: readonly string[],
  transport: RelayTransport,
): Promise<void> {
  expect(candidates.length).toBeGreaterThan(1)
  for (const candidate of candidates) expect(candidate).toContain('typ relay')
  const counters = await server.counters()
  // libwebrtc makes one for each network of the machine.
  expect(counters.allocationsCreated).toBeGreaterThanOrEqual(2)
  // A side may also answer the other one's relay directly, if that path is found sooner.
  expect(counters.toPeerPackets + counters.toClientPackets).toBeGreaterThan(4)
  const { clients } = await server.net()
  for (const each of ['udp', 'tcp', 'tls', 'dtls'] as const) {
    if (each === transport) expect(clients[each].receivedPackets).toBeGreaterThan(4)
    else expect(clients[each].receivedPackets).toBe(0)
  }
}

function trickle(from: RTCPeerConnection, to: RTCPeerConnection, seen: string[]): void {
  const early: RTCIceCandidate[] = []
  const add = (candidate: RTCIceCandidate) => void to.addIceCandidate(candidate)
  from.onicecandidate = ({ candidate }) => {
    if (!candidate?.candidate) return
    seen.push(candidate.candidate)
    if (to.remoteDescription === null || to.remoteDescription === undefined) early.push(candidate)
    else add(candidate)
  }
  const setRemote = to.setRemoteDescription.bind(to)
  to.setRemoteDescription = async (description) => {
    await setRemote(description)
    for (const candidate of early.splice(0)) add(candidate)
  }
}

function textOf(data: unknown): string {
  return typeof data === 'string' ? data : Buffer.from(data as ArrayBuffer).toString()
}
