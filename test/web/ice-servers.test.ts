import { describe, expect, test } from 'vitest'
import { filterByTransport, parseIceServers } from '../../src/web/link/ice-servers.ts'

describe('parseIceServers', () => {
  test('reads shape B', () => {
    const iceServers = [
      { urls: ['turn:a:3478?transport=udp'], username: 'u', credential: 'c' },
      { urls: ['stun:a:3478'] },
    ]
    expect(parseIceServers({ lifetimeDuration: '86400s', iceServers })).toEqual(iceServers)
  })

  test('reads shape A of the older scripts', () => {
    expect(parseIceServers({ username: 'u', password: 'p', ttl: 86400, uris: ['turn:a:3478'] })).toEqual([
      { urls: ['turn:a:3478'], username: 'u', credential: 'p' },
    ])
  })

  test('reads an address that is not a list', () => {
    expect(parseIceServers({ iceServers: [{ urls: 'stun:a' }, { url: 'stun:b' }] })).toEqual([
      { urls: ['stun:a'] },
      { urls: ['stun:b'] },
    ])
  })

  test.each([null, 1, 'x', {}, [], { iceServers: [{ urls: [] }] }, { iceServers: [null, 3, { urls: [1, ''] }] }])(
    'finds none in %j',
    (document) => {
      expect(parseIceServers(document)).toEqual([])
    },
  )
})

describe('filterByTransport', () => {
  const mixed: RTCIceServer[] = [
    { urls: ['turn:a:3478?transport=udp', 'turn:a:3478?transport=tcp', 'turns:a:5349?transport=tcp'], username: 'u' },
    { urls: ['turn:b:3478'] },
    { urls: ['turn:c:3478?transport=tcp'] },
    { urls: ['stun:d:3478'] },
  ]

  test('AR-4.36 udp keeps udp, appends it where none is named and drops what is left empty', () => {
    expect(filterByTransport(mixed, 'udp')).toEqual([
      { urls: ['turn:a:3478?transport=udp'], username: 'u' },
      { urls: ['turn:b:3478?transport=udp'] },
    ])
  })

  test('tcp keeps plain tcp', () => {
    expect(filterByTransport(mixed, 'tcp')).toEqual([
      { urls: ['turn:a:3478?transport=tcp'], username: 'u' },
      { urls: ['turn:b:3478?transport=tcp'] },
      { urls: ['turn:c:3478?transport=tcp'] },
    ])
  })

  test('tls keeps turns alone', () => {
    expect(filterByTransport(mixed, 'tls')).toEqual([{ urls: ['turns:a:5349?transport=tcp'], username: 'u' }])
  })

  test('nothing asked keeps everything', () => {
    expect(filterByTransport(mixed, '')).toEqual(mixed)
  })

  test.each(['udp', 'tcp', 'tls', 'sctp'])('%s keeps no stun, to which old pages append it', (transport) => {
    expect(JSON.stringify(filterByTransport(mixed, transport))).not.toContain('stun:')
  })

  test('a transport that does not exist has no addresses', () => {
    expect(filterByTransport(mixed, 'sctp')).toEqual([])
  })
})
