import { fc } from '@fast-check/vitest'
import { expect, test } from 'vitest'
import { Address } from '../../src/stun/address.ts'
import { Attribute, MessageClass } from '../../src/stun/constants.ts'
import { verifyFingerprint, verifyIntegrity, verifyIntegritySha256 } from '../../src/stun/integrity.ts'
import { StunMessage } from '../../src/stun/message.ts'
import { StunWriter } from '../../src/stun/writer.ts'
import { useEveryAccessor } from '../support/every-accessor.ts'
import { arbitraryBytes, bytes, mutatedMessage, uint16 } from '../support/hostile-bytes.ts'

const RUNS = 100_000
const key = Buffer.from('key')
const writer = new StunWriter()
const again = new StunWriter()

// A tenth at least must get past the header, or the rest was not looked at.
test('SEC-34 100 000 arbitrary datagrams are read or refused as the reference says', async () => {
  expect(await countRead(arbitraryBytes)).toBeGreaterThan(RUNS / 10)
})

test('SEC-34 100 000 mutated messages are read or refused as the reference says', async () => {
  expect(await countRead(mutatedMessage)).toBeGreaterThan(RUNS / 10)
})

const address = fc.oneof(
  fc.tuple(fc.nat(0xffffffff), uint16).map(([word, port]) => Address.ipv4(word, port)),
  fc
    .tuple(fc.nat(0xffffffff), fc.nat(0xffffffff), fc.nat(0xffffffff), fc.nat(0xffffffff), uint16)
    .map(([w0, w1, w2, w3, port]) => Address.ipv6(w0, w1, w2, w3, port)),
)

test('STUN-ATTR-08 whatever is written is read with the same meaning', async () => {
  await fc.assert(
    fc.property(
      fc.record({
        method: fc.nat(0xfff),
        messageClass: fc.constantFrom(...Object.values(MessageClass)),
        transactionId: fc.uint8Array({ minLength: 12, maxLength: 12 }).map((id) => Buffer.from(id)),
        start: fc.nat(40),
        lifetime: fc.nat(0xffffffff),
        evenPort: fc.nat(0xff),
        username: fc.string({ unit: 'binary', maxLength: 100 }),
        data: bytes(50),
        peers: fc.array(address, { minLength: 1, maxLength: 4 }),
        mapped: address,
        error: fc.integer({ min: 300, max: 699 }),
        unknown: fc.array(uint16, { maxLength: 10 }),
      }),
      (wanted) => {
        writer.begin(wanted.method, wanted.messageClass, wanted.transactionId, wanted.start)
        for (const peer of wanted.peers) writer.xorAddress(Attribute.XOR_PEER_ADDRESS, peer)
        writer
          .uint32(Attribute.LIFETIME, wanted.lifetime)
          .uint8(Attribute.EVEN_PORT, wanted.evenPort)
          .text(Attribute.USERNAME, wanted.username)
          .bytes(Attribute.DATA, wanted.data)
          .address(Attribute.MAPPED_ADDRESS, wanted.mapped)
          .errorCode(wanted.error, wanted.username.length > 10 ? 'phrase' : '')
          .unknownAttributes(wanted.unknown)
          .integrity(key)
          .integritySha256(key)
          .fingerprint()
        const message = StunMessage.parse(writer.buffer, writer.start, writer.end())!
        expect([message.method, message.messageClass]).toEqual([wanted.method, wanted.messageClass])
        expect(message.transactionId().equals(wanted.transactionId)).toBe(true)
        expect(message.uint32(Attribute.LIFETIME)).toBe(wanted.lifetime)
        expect(message.uint8(Attribute.EVEN_PORT)).toBe(wanted.evenPort)
        expect(message.text(Attribute.USERNAME)).toBe(wanted.username)
        expect(message.value(Attribute.DATA)!.equals(wanted.data)).toBe(true)
        expect(message.errorCode()).toBe(wanted.error)
        const listed = message.value(Attribute.UNKNOWN_ATTRIBUTES)!
        expect(wanted.unknown.map((_, i) => listed.readUInt16BE(i * 2))).toEqual(wanted.unknown)
        const into = new Address()
        expect(message.address(Attribute.MAPPED_ADDRESS, into) && into.equals(wanted.mapped)).toBe(true)
        let at = message.find(Attribute.XOR_PEER_ADDRESS)
        for (const peer of wanted.peers) {
          expect(message.xorAddressAt(at, into) && into.equals(peer)).toBe(true)
          at = message.findNext(Attribute.XOR_PEER_ADDRESS, at)
        }
        expect(at).toBe(-1)
        expect([verifyIntegrity(message, key), verifyIntegritySha256(message, key)]).toEqual([true, true])
        expect(verifyFingerprint(message)).toBe('right')
      },
    ),
    { numRuns: 2_000 },
  )
})

async function countRead(received: fc.Arbitrary<Buffer>): Promise<number> {
  let count = 0
  const property = fc.property(received, (bytes) => {
    if (readsLikeTheReference(bytes)) count++
  })
  await fc.assert(property, { numRuns: RUNS })
  return count
}

/** Returns whether it was a message. Plain `if` and `throw`: `expect` would take longer than all that it checks. */
function readsLikeTheReference(received: Buffer): boolean {
  const before = Buffer.from(received)
  const message = StunMessage.parse(received)
  const reference = readPlainly(received)
  if ((message === null) !== (reference === null)) throw new Error(`read: ${message !== null}, reference: ${!message}`)
  if (message === null || reference === null) return false
  useEveryAccessor(message)
  sameMeaning(message, reference)

  again.begin(message.method, message.messageClass, message)
  for (const [type, value] of reference) again.bytes(type, value)
  const encoded = StunMessage.parse(again.buffer, 0, again.end())
  if (encoded === null) throw new Error('what was decoded does not encode')
  if (encoded.type !== message.type || !encoded.transactionId().equals(message.transactionId()))
    throw new Error('another header')
  sameMeaning(encoded, reference)
  if (!received.equals(before)) throw new Error('the received bytes were changed')
  return true
}

function sameMeaning(message: StunMessage, reference: readonly (readonly [number, Buffer])[]): void {
  const firsts = new Map<number, Buffer>()
  for (const [type, value] of reference) if (!firsts.has(type)) firsts.set(type, value)
  for (const type of [...firsts.keys(), ...closing, Attribute.USERNAME, Attribute.XOR_PEER_ADDRESS]) {
    const value = message.value(type)
    const first = firsts.get(type)
    if (value === null || first === undefined ? value !== (first ?? null) : !value.equals(first)) {
      throw new Error(`attribute ${type}: ${value?.toString('hex')}, reference: ${first?.toString('hex')}`)
    }
    let count = 0
    for (let at = message.find(type); at >= 0; at = message.findNext(type, at)) count++
    const wanted = reference.filter(([other]) => other === type).length
    if (count !== wanted && !closing.has(type)) throw new Error(`attribute ${type}: ${count} times, not ${wanted}`)
  }
}

const closing: ReadonlySet<number> = new Set([
  Attribute.MESSAGE_INTEGRITY,
  Attribute.MESSAGE_INTEGRITY_SHA256,
  Attribute.FINGERPRINT,
])

/** The attributes that count, read the slow and obvious way; null when the bytes are no STUN message. */
function readPlainly(received: Buffer): (readonly [number, Buffer])[] | null {
  if (received.length < 20 || received[0]! >= 0x40 || received.readUInt32BE(4) !== 0x2112a442) return null
  if (received.readUInt16BE(2) !== received.length - 20 || received.length % 4 !== 0) return null
  const counted: (readonly [number, Buffer])[] = []
  let sealed = 0
  for (let rest = received.subarray(20); rest.length > 0; ) {
    const [type, length] = [rest.readUInt16BE(0), rest.readUInt16BE(2)]
    const whole = 4 + Math.ceil(length / 4) * 4
    if (whole > rest.length) return null
    const rank = closing.has(type) ? ({ 8: 1, 28: 2 }[type] ?? 3) : 0
    if (rank === 3 || rank > sealed || sealed === 0) counted.push([type, rest.subarray(4, 4 + length)])
    if (rank === 1 || rank === 2) sealed = Math.max(sealed, rank)
    rest = rest.subarray(whole)
  }
  return counted
}
