import { signal } from '@preact/signals'
import wrtc from '@roamhq/wrtc'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { WebSocket as NodeSocket } from 'ws'
import { callPages } from '../../src/http/page/page.ts'
import { Session } from '../../src/web/session.ts'
import { Service } from '../http/service.ts'

let service: Service
let sockets: NodeSocket[]
const sessions: Session[] = []

// The page's code as it is, against our own server, on a WebRTC library instead of a browser.
beforeEach(async () => {
  service = await Service.start({ pages: callPages, http: { iceServerBaseUrl: '' } })
  sockets = []
  const nodeFetch = fetch
  vi.stubGlobal('RTCPeerConnection', wrtc.RTCPeerConnection)
  vi.stubGlobal('MediaStream', wrtc.MediaStream)
  vi.stubGlobal('location', { search: '', host: service.host })
  vi.stubGlobal('fetch', (url: string, init: RequestInit) => nodeFetch(new URL(url, service.url), init))
  vi.stubGlobal(
    'WebSocket',
    class extends NodeSocket {
      constructor(url: string) {
        super(url)
        this.on('error', () => {})
        sockets.push(this)
      }
    },
  )
})

afterEach(async () => {
  await Promise.all(sessions.splice(0).map((session) => session.hangUp()))
  await service.close()
  vi.unstubAllGlobals()
})

const presence = { microphone: true, camera: false, screen: false, watching: true, name: 'Ann', hand: false }

function visitor(): Session {
  const session = new Session('room-1', {
    sound: signal(null),
    picture: signal(null),
    sending: signal({ dataUse: 'high', screen: false }),
    presence: signal(presence),
    reopen: async () => {},
    close: () => {},
  })
  sessions.push(session)
  return session
}

const reaches = (session: Session, phase: Session['phase']['value']) =>
  vi.waitFor(() => expect(session.phase.value).toBe(phase), { timeout: 15_000, interval: 20 })

async function meet(): Promise<[Session, Session]> {
  const a = visitor()
  await a.join()
  await reaches(a, 'waiting')
  const b = visitor()
  await b.join()
  await Promise.all([reaches(a, 'connected'), reaches(b, 'connected')])
  return [a, b]
}

test('two meet, one leaves and comes back, a third finds the room full', async () => {
  const [a, b] = await meet()
  expect([a.link.value!.offers, b.link.value!.offers]).toEqual([true, false])
  expect([a.link.value!.kindred, b.link.value!.kindred]).toEqual([true, true])
  await vi.waitFor(() => {
    expect([a, b].map((session) => session.link.value!.presence.value)).toEqual([presence, presence])
  })
  const c = visitor()
  await c.join()
  expect(c.phase.value).toBe('full')
  await b.hangUp()
  expect(b.phase.value).toBe('ended')
  await reaches(a, 'waiting')
  expect(a.peerLeft.value).toBe(true)
  await b.join()
  await Promise.all([reaches(a, 'connected'), reaches(b, 'connected')])
  expect(a.peerLeft.value).toBe(false)
})

test('who comes back too late ends nobody’s call, and finds the room full', async () => {
  const a = visitor()
  await a.join()
  await reaches(a, 'waiting')
  sockets[0]!.terminate()
  await vi.waitFor(() => {
    service.advance(60)
    expect(service.rooms.readings.rooms).toBe(0)
  })
  const others = []
  for (let i = 0; i < 2; i++) {
    const { params } = await service.join('room-1')
    others.push(await service.register('room-1', params.client_id))
  }
  await reaches(a, 'full')
  expect(others.flatMap(({ texts }) => texts).filter((text) => text.includes('bye'))).toEqual([])
})
