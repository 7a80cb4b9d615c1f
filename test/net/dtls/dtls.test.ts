import { createPrivateKey, generateKeyPairSync } from 'node:crypto'
import { afterEach, describe, expect, test } from 'vitest'
import { DTLS_LIMITS } from '../../../src/net/dtls/dtls.ts'
import { DtlsIdentityError } from '../../../src/net/dtls/identity.ts'
import { dtlsSupport } from '../../../src/net/openssl/openssl.ts'
import { Address } from '../../../src/stun/address.ts'
import { clientHello, cookieOf, extension, record, records } from '../../support/client-hello.ts'
import { chain, DtlsHost, leaf } from '../../support/dtls-host.ts'

const client = Address.parse('198.51.100.7', 4711)!
const other = Address.parse('198.51.100.8', 4711)!
const hosts: DtlsHost[] = []

function host(...options: ConstructorParameters<typeof DtlsHost>): DtlsHost {
  const made = new DtlsHost(...options)
  hosts.push(made)
  return made
}

/** A ClientHello that brings the right cookie, so that a handshake begins. */
function greet(at: DtlsHost, from: Address, random = Buffer.alloc(32, 7)): Buffer[] {
  const cookie = cookieOf(at.answers(clientHello({ random }), from)[0]!)
  return at.answers(clientHello({ random, cookie }), from)
}

afterEach(() => {
  for (const made of hosts.splice(0)) made.server.close()
})

test('DTLS is available in the node that runs the tests', () => {
  expect(dtlsSupport()).toEqual({ available: true, openssl: process.versions.openssl })
})

describe('before the cookie', () => {
  test('SEC-14 NET-DTLS-01 answers a ClientHello with one HelloVerifyRequest, smaller than itself, and keeps nothing', () => {
    const at = host()
    const smallest = clientHello({ suites: [], extensions: Buffer.alloc(0) })
    for (const hello of [clientHello(), smallest]) {
      const answers = at.answers(hello, client)
      expect(answers).toHaveLength(1)
      expect(cookieOf(answers[0]!)).toHaveLength(20)
      expect(answers[0]!.length).toBeLessThan(hello.length)
    }
    expect(at.server.counters).toMatchObject({ cookiesSent: 2, handshakes: 0, sessions: 0, opened: 0 })
  })

  test('SEC-14 answers a cookie made for another address or port with a new one', () => {
    const at = host()
    const cookie = cookieOf(at.answers(clientHello(), client)[0]!)
    for (const stranger of [other, client.withPort(4712)]) {
      const answers = at.answers(clientHello({ cookie }), stranger)
      expect(answers).toHaveLength(1)
      expect(cookieOf(answers[0]!)).not.toEqual(cookie)
    }
    expect(at.server.counters.handshakes).toBe(0)
    at.receive(clientHello({ cookie }), client)
    expect(at.server.counters.handshakes).toBe(1)
  })

  test('SEC-14 takes a cookie of the key before, and none of the one before that', () => {
    const at = host()
    const cookie = cookieOf(at.answers(clientHello(), client)[0]!)
    at.now = DTLS_LIMITS.cookieLifetimeMs
    at.server.sweep(at.now)
    at.receive(clientHello({ cookie }), client)
    expect(at.server.counters.handshakes).toBe(1)

    const late = cookieOf(at.answers(clientHello(), other)[0]!)
    for (const minutes of [2, 3]) {
      at.now = minutes * DTLS_LIMITS.cookieLifetimeMs
      at.server.sweep(at.now)
    }
    at.receive(clientHello({ cookie: late }), other)
    expect(at.server.counters).toMatchObject({ handshakes: 0, opened: 0 })
  })

  test.each([
    ['nothing', Buffer.alloc(0)],
    ['one byte', Buffer.of(22)],
    ['application data', record(23, 1, 5, Buffer.alloc(40))],
    ['an alert', record(21, 0, 0, Buffer.of(2, 40))],
    ['ChangeCipherSpec', record(20, 0, 0, Buffer.of(1))],
    ['a ClientKeyExchange', record(22, 0, 2, Buffer.from('10000021000200000000002120'.padEnd(90, '0'), 'hex'))],
    ['an encrypted handshake record', record(22, 1, 0, Buffer.alloc(40, 1))],
    ['a ClientHello of a later epoch', Buffer.from(clientHello()).fill(1, 4, 5)],
    ['a cut ClientHello', clientHello().subarray(0, 60)],
    ['the first fragment of a ClientHello', clientHello({ fragment: 60 })],
    ['a ClientHello of TLS', Buffer.from(clientHello()).fill(3, 1, 3)],
    ['a ClientHello in a datagram larger than a record', Buffer.concat([clientHello(), Buffer.alloc(20_000)])],
  ])('SEC-14 drops %s from an unknown source without an answer', (_name, bytes) => {
    const at = host()
    expect(at.answers(bytes, client)).toEqual([])
    expect(at.server.counters).toMatchObject({ received: 1, cookiesSent: 0, handshakes: 0 })
    expect(at.server.counters.dropped + at.server.counters.refused).toBe(1)
  })
})

describe('handshakes', () => {
  test('NET-DTLS-01 answers a ClientHello with a cookie with the flight of DTLS 1.2', () => {
    const at = host()
    const flight = greet(at, client)
    expect(flight).toHaveLength(1)
    expect(flight.flatMap((datagram) => records(datagram)!).map((one) => one[13])).toEqual([2, 11, 12, 14])
    expect(flight[0]!.readUInt16BE(25)).toBe(0xfefd)
  })

  test('NET-DTLS-01 splits a long flight into datagrams of whole records below the MTU', () => {
    const at = host({ identity: chain, limits: { mtu: 600 } })
    const flight = greet(at, client)
    expect(flight.length).toBeGreaterThan(2)
    for (const datagram of flight) {
      expect(datagram.length).toBeLessThanOrEqual(600)
      expect(records(datagram)).not.toBeNull()
    }
  })

  test('NET-DTLS-01 keeps two clients of one address, and two listeners, apart', () => {
    const at = host()
    greet(at, client)
    greet(at, client.withPort(4712))
    const cookie = cookieOf(at.answers(clientHello(), client, 1)[0]!)
    at.receive(clientHello({ cookie }), client, 1)
    expect(at.server.counters.handshakes).toBe(3)
  })

  test('SEC-14 NET-TCP-11 gives a handshake ten seconds', () => {
    const at = host()
    greet(at, client)
    at.now = 9_999
    at.server.sweep(at.now)
    expect(at.server.counters.handshakes).toBe(1)
    at.now = 10_000
    at.server.sweep(at.now)
    expect(at.server.counters).toMatchObject({ handshakes: 0, handshakesFailed: 1, closed: 0 })
    expect(at.failed).toEqual(['timed out'])
    expect(at.answers(record(22, 0, 2, Buffer.alloc(30, 16)), client)).toEqual([])
  })

  test('SEC-14 holds at most 1024 handshakes: the source with the most loses its oldest, and nobody else any', () => {
    const at = host({}, { perSource: 10_000, perSecond: 0 })
    greet(at, other)
    for (let port = 1; port <= 1_023; port++) greet(at, client.withPort(port))
    expect(at.server.counters).toMatchObject({ handshakes: 1_024, refused: 0 })
    expect(greet(at, client.withPort(2_000))).toEqual([])
    expect(at.server.counters).toMatchObject({ handshakes: 1_024, refused: 1 })
    const third = Address.parse('198.51.100.9', 4711)!
    expect(greet(at, third)).not.toEqual([])
    expect(at.failed).toEqual(['displaced by a newer one'])
    expect(at.server.counters).toMatchObject({ handshakes: 1_024, handshakesFailed: 1 })
    // Its oldest: what it sends draws nothing more.
    expect(at.answers(record(22, 0, 2, Buffer.alloc(30, 16)), client.withPort(1))).toEqual([])
    at.now = 10_000
    at.server.sweep(at.now)
    expect(at.server.counters.handshakes).toBe(0)
  })

  test('SEC-14 a source has 64 handshakes at a time, and with one more loses its oldest', () => {
    const at = host({}, { perSecond: 0 })
    for (let port = 1; port <= 65; port++) expect(greet(at, client.withPort(port))).not.toEqual([])
    expect(at.server.counters).toMatchObject({ handshakes: 64, refused: 0 })
    expect(at.failed).toEqual(['displaced by a newer one'])
  })

  test('SEC-14 a ClientHello without cookie displaces nobody', () => {
    const at = host({}, { atOnce: 1 })
    greet(at, client)
    expect(at.answers(clientHello(), other)).toHaveLength(1)
    expect(at.failed).toEqual([])
  })

  test('a handshake waits for its turn, costs nothing before, and loses nothing that its client says meanwhile', () => {
    const at = host()
    at.worksAtOnce = false
    expect(greet(at, client)).toEqual([])
    expect(at.server.isWaiting).toBe(true)
    // Repeated by an impatient client.
    const cookie = cookieOf(at.answers(clientHello({ random: Buffer.alloc(32, 8) }), other)[0]!)
    at.receive(clientHello({ random: Buffer.alloc(32, 8), cookie }), other)
    for (let i = 0; i < 20; i++) at.receive(clientHello({ random: Buffer.alloc(32, 8), cookie }), other)
    const dropped = at.server.counters.dropped
    expect(dropped).toBe(12)
    at.sent.length = 0
    at.work()
    expect(new Set(at.sent.map(({ to }) => to))).toEqual(new Set([`${client}`, `${other}`]))
    expect(at.server.counters).toMatchObject({ handshakes: 2, handshakesFailed: 0 })
    expect(at.server.isWaiting).toBe(false)
  })

  test('one turn is one handshake where each takes long, and the next one is another source’s', () => {
    const at = host()
    at.worksAtOnce = false
    for (let port = 1; port <= 3; port++) greet(at, client.withPort(port))
    greet(at, other)
    at.msPerLook = 1
    at.sent.length = 0
    const turn = () => {
      const hasMore = at.server.work(at.now)
      return [hasMore, ...at.sent.splice(0).map(({ to }) => to)]
    }
    expect(turn()).toEqual([true, `${client.withPort(1)}`])
    expect(turn()).toEqual([true, `${other}`])
    expect(turn()).toEqual([true, `${client.withPort(2)}`])
    expect(turn()).toEqual([false, `${client.withPort(3)}`])
    expect(turn()).toEqual([false])
  })

  test('a source that begins too many has to wait, and its handshakes end in their time', () => {
    const at = host({}, { perSecond: 1 })
    for (let port = 1; port <= 10; port++) expect(greet(at, client.withPort(port))).not.toEqual([])
    expect(greet(at, client.withPort(11))).toEqual([])
    expect(greet(at, other)).not.toEqual([])
    expect(at.server.isWaiting).toBe(true)
    at.now = 10_000
    at.server.sweep(at.now)
    expect(at.server.counters).toMatchObject({ handshakes: 0, handshakesFailed: 12 })
    expect(at.server.isWaiting).toBe(false)
  })

  test('SEC-14 counts the sessions of an IPv4 address, and of an IPv6 /64, together', () => {
    const at = host({ limits: { maxSessionsPerSource: 2 } })
    greet(at, client)
    greet(at, client.withPort(4712))
    expect(at.answers(clientHello(), client.withPort(4713))).toEqual([])
    expect(at.answers(clientHello(), other)).toHaveLength(1)

    greet(at, Address.parse('2001:db8:0:1::1', 1000)!)
    greet(at, Address.parse('2001:db8:0:1::2', 1000)!)
    expect(at.answers(clientHello(), Address.parse('2001:db8:0:1:ffff::3', 1000)!)).toEqual([])
    expect(at.answers(clientHello(), Address.parse('2001:db8:0:2::1', 1000)!)).toHaveLength(1)
  })

  test('NET-DTLS-01 a client that begins anew replaces its handshake only with a cookie', () => {
    const at = host()
    greet(at, client)
    const random = Buffer.alloc(32, 9)
    const cookie = cookieOf(at.answers(clientHello({ random }), client)[0]!)
    expect(at.failed).toEqual([])
    at.receive(clientHello({ random, cookie }), client)
    expect(at.failed).toEqual(['replaced by a new handshake'])
    expect(at.server.counters.handshakes).toBe(1)
  })

  test('SEC-37 refuses DTLS 1.0 with an alert', () => {
    const at = host()
    const hello = { version: 0xfeff, suites: [0xc009, 0xc013, 0x002f] }
    const cookie = cookieOf(at.answers(clientHello(hello), client)[0]!)
    const answers = at.answers(clientHello({ ...hello, cookie }), client)
    expect(answers.map((datagram) => [...datagram.subarray(13)])).toEqual([[2, 70]])
    expect(at.failed).toEqual(['unsupported protocol'])
  })

  test.each([
    ['SNI without a name', extension(0, Buffer.alloc(0))],
    ['SNI whose list claims more than there is', extension(0, Buffer.from('ffff00000161', 'hex'))],
    ['SNI with NUL and controls', extension(0, Buffer.from('0008000005610062000a', 'hex'))],
    ['SNI of 60 000 bytes claimed', Buffer.from('0000ea60', 'hex')],
    ['SNI twice', Buffer.concat([extension(0, Buffer.alloc(2)), extension(0, Buffer.alloc(2))])],
    ['an empty ALPN list', extension(16, Buffer.from('0000', 'hex'))],
    ['ALPN with an empty name', extension(16, Buffer.from('000100', 'hex'))],
    ['ALPN whose name runs past its end', extension(16, Buffer.from('0003ff6161', 'hex'))],
    ['ALPN of unknown names', extension(16, Buffer.from('00040161027a7a', 'hex'))],
    [
      'early data and a pre-shared key',
      Buffer.concat([extension(42, Buffer.alloc(0)), extension(41, Buffer.alloc(9))]),
    ],
  ])('SEC-37 %s throws nothing and ends in a flight or an alert', (_name, extensions) => {
    const at = host()
    const cookie = cookieOf(at.answers(clientHello({ extensions }), client)[0]!)
    const answers = at.answers(clientHello({ extensions, cookie }), client)
    expect(answers.length).toBeGreaterThan(0)
    expect([21, 22]).toContain(answers[0]![0])
  })
})

describe('certificate and key', () => {
  test('reads a key with a password', () => {
    const key = createPrivateKey(leaf.key).export({
      type: 'pkcs8',
      format: 'pem',
      cipher: 'aes-256-cbc',
      passphrase: 'correct horse',
    }) as string
    expect(greet(host({ identity: { cert: leaf.cert, key, passphrase: 'correct horse' } }), client)).not.toEqual([])
    expect(() => host({ identity: { cert: leaf.cert, key, passphrase: 'wrong' } })).toThrow(DtlsIdentityError)
    expect(() => host({ identity: { cert: leaf.cert, key } })).toThrow(DtlsIdentityError)
  })

  const stranger = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey
  test.each([
    ['no certificate', { identity: { ...leaf, cert: 'nonsense' } }, 'the certificate is not a PEM certificate'],
    ['no key', { identity: { ...leaf, key: 'nonsense' } }, 'the private key cannot be read'],
    [
      'a key of another certificate',
      { identity: { ...leaf, key: stranger.export({ type: 'pkcs8', format: 'pem' }) as string } },
      'does not belong to the certificate',
    ],
    ['a cipher list without a cipher', { ciphers: 'NO-SUCH-CIPHER' }, 'no cipher of the list can be used'],
  ])('refuses to start with %s, and says so', (_name, options, message) => {
    expect(() => host(options)).toThrow(message)
  })

  test('uses a new certificate for new handshakes, and keeps the old one when the new one is bad', () => {
    const at = host()
    expect(() => at.server.apply({ identity: { ...chain, key: leaf.key } })).toThrow(DtlsIdentityError)
    const before = greet(at, client)
    at.server.apply({ identity: chain })
    const after = greet(at, client.withPort(4712))
    const size = (flight: Buffer[]) => flight.reduce((sum, datagram) => sum + datagram.length, 0)
    expect(size(after)).toBeGreaterThan(size(before) + 500)
    expect(at.server.counters.handshakes).toBe(2)
  })

  test('is closed once and for all', () => {
    const at = host()
    greet(at, client)
    at.server.close()
    at.server.close()
    expect(at.answers(clientHello(), client)).toEqual([])
    at.server.sweep(1)
    expect(at.server.counters.handshakes).toBe(0)
  })
})
