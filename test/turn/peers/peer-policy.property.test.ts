import fc from 'fast-check'
import { expect, test } from 'vitest'
import { Address } from '../../../src/stun/address.ts'
import { PeerPolicy, type PeerRange, parsePeerRange } from '../../../src/turn/peers/peer-policy.ts'

const RULES = {
  allowed: parsePeerRange('10.20.0.0/16') as readonly PeerRange[],
  // recommended but for its IPv6 ranges, which refuse NAT64 and ISATAP whatever they carry.
  denied: ['10.0.0.0/8', '172.16.0.0/12', '192.168.0.0/16', '100.64.0.0/10', '198.18.0.0/15'].flatMap(
    (value) => parsePeerRange(value) as PeerRange[],
  ),
  deniedToNew: null,
  allowLoopback: false,
  ownAddresses: [Address.parse('8.8.4.4')!],
  ownPorts: [3478],
  services: [Address.parse('9.9.9.9', 6379)!],
  relayAddresses: [Address.parse('10.0.0.5')!],
  isRelayed: ({ port }: Address) => port % 2 === 0,
  externalAddresses: [],
  nat64: [],
  minPort: 49_152,
  maxPort: 65_535,
}

/** Any address, more often one at the edge of a range. */
const word = fc.oneof(
  fc.integer({ min: 0, max: 0xffffffff }),
  fc.constantFrom(
    ...[
      '127.0.0.1',
      '10.19.255.255',
      '10.20.0.0',
      '10.0.0.5',
      '172.32.0.0',
      '169.254.169.254',
      '8.8.4.4',
      '9.9.9.9',
    ].map((host) => Address.parse(host)!.w3),
  ),
)
const port = fc.oneof(fc.integer({ min: 0, max: 65_535 }), fc.constantFrom(3478, 6379, 50_000))
const anyWord = fc.integer({ min: 0, max: 0xffffffff })

const OPEN_ENCODINGS: readonly (readonly [string, (word: number, other: number, port: number) => Address])[] = [
  ['IPv4-mapped', (w, _, p) => Address.ipv6(0, 0, 0xffff, w, p)],
  ['IPv4-compatible', (w, _, p) => Address.ipv6(0, 0, 0, w, p)],
  ['IPv4-translated', (w, _, p) => Address.ipv6(0, 0, 0xffff0000, w, p)],
  ['NAT64', (w, _, p) => Address.ipv6(0x0064ff9b, 0, 0, w, p)],
  ['local NAT64', (w, other, p) => Address.ipv6(0x0064ff9b, 0x00010000 | (other & 0xffff), 0, w, p)],
  ['ISATAP', (w, other, p) => Address.ipv6(0x26064700, other, 0x00005efe, w, p)],
  ['ISATAP, universal', (w, other, p) => Address.ipv6(0x26064700, other, 0x02005efe, w, p)],
]

const CLOSED_ENCODINGS: typeof OPEN_ENCODINGS = [
  [
    '6to4',
    (w, other, p) => Address.ipv6(0x20020000 | (w >>> 16), ((w & 0xffff) << 16) | (other & 0xffff), other, 1, p),
  ],
  ['Teredo server', (w, other, p) => Address.ipv6(0x20010000, w, other, ~other, p)],
  ['Teredo client', (w, other, p) => Address.ipv6(0x20010000, other, other, ~w, p)],
]

test.each(OPEN_ENCODINGS)('SEC-03 10 000 addresses in %s get the verdict of the plain form', (_name, encode) => {
  const policy = new PeerPolicy(RULES)
  fc.assert(
    fc.property(word, anyWord, port, (address, other, port) => {
      const plain = Address.ipv4(address, port)
      const encoded = encode(address, other, port)
      expect(policy.refusal(encoded) === null).toBe(policy.refusal(plain) === null)
      expect(policy.refusalOfIp(encoded) === null).toBe(policy.refusalOfIp(plain) === null)
    }),
    { numRuns: 10_000 },
  )
})

test.each(CLOSED_ENCODINGS)(
  'SEC-03 10 000 addresses in %s are refused, whatever the plain form is',
  (_name, encode) => {
    const policy = new PeerPolicy(RULES)
    fc.assert(
      fc.property(word, anyWord, port, (address, other, port) => {
        expect(policy.refusal(encode(address, other, port))).not.toBeNull()
        expect(policy.refusalOfIp(encode(address, other, port))).not.toBeNull()
      }),
      { numRuns: 10_000 },
    )
  },
)

test('SEC-03 a range holds exactly the addresses between its ends as 128-bit numbers', () => {
  const words = fc.tuple(anyWord, anyWord, anyWord, anyWord)
  // Words that often agree, so that the order is often decided by the later ones.
  const close = fc.tuple(...[1, 2, 3, 4].map(() => fc.constantFrom(0x26060000, 0x26060001)))
  const address = fc.oneof(words, close).map((w) => Address.ipv6(w[0]!, w[1]!, w[2]!, w[3]!, 0))
  const numberOf = ({ w0, w1, w2, w3 }: Address) =>
    (BigInt(w0) << 96n) | (BigInt(w1) << 64n) | (BigInt(w2) << 32n) | BigInt(w3)
  fc.assert(
    fc.property(address, address, address, (a, b, probe) => {
      fc.pre(a.family === 6 && b.family === 6 && probe.family === 6)
      const [low, high] = numberOf(a) <= numberOf(b) ? [a, b] : [b, a]
      const [range] = parsePeerRange(`${low.host}-${high.host}`) as readonly PeerRange[]
      const inside = numberOf(low) <= numberOf(probe) && numberOf(probe) <= numberOf(high)
      expect(range!.holds(probe)).toBe(inside)
    }),
    { numRuns: 10_000 },
  )
})
