import { expect, test } from 'vitest'
import { Attribute, MessageClass, Method, PasswordAlgorithm } from '../../src/stun/constants.ts'
import { longTermKey, longTermKeySha256, userHash, verifyIntegritySha256 } from '../../src/stun/integrity.ts'
import { StunMessage } from '../../src/stun/message.ts'
import { StunWriter } from '../../src/stun/writer.ts'
import { fromHex } from '../support/bytes.ts'

const user = 'マトリックス'
const realm = 'example.org'
const nonce = 'obMatJos2AAACf//499k954d6OL34oL9FSTvy64sA'
const transactionId = '78ad3433c6ad72c029da412e'
const key = longTermKeySha256(user, realm, 'TheMatrIX')

const common = `
  001e0020 4a3cf38fef6992bda952c6780417da0f24819415569e60b205c46e41407f1704
  00150029 6f624d61744a6f733241414143662f2f3439396b39353464364f4c33346f4c3946535476793634 7341 000000
  0014000b 6578616d706c652e6f7267 00`

/** Appendix B.1 with erratum 6268: it adds PASSWORD-ALGORITHM and mends the header's length and the HMAC. */
const corrected = fromHex(`
  00010090 2112a442 ${transactionId} ${common}
  001d0004 00020000
  001c0020 b5c7bf005b6c52a21c51c5e892f81924136296cb927c43149309278cc6518e65`)

const printedIntegrity = '001c0020 e4686c8f0edeb59013e07090010a93efccbccc544c0a45d9f830aa6d6f735a01'
const printed = fromHex(`0001009c 2112a442 ${transactionId} ${common} ${printedIntegrity}`)

test('VEC-05 the long-term key of user, realm and pass', () => {
  expect(longTermKey('user', 'realm', 'pass').toString('hex')).toBe('8493fbc53ba582fb4c044c456bdc40eb')
})

test('VEC-06 the corrected sample is read and its SHA-256 integrity holds', () => {
  const message = StunMessage.parse(corrected)!
  expect(message.value(Attribute.USERHASH)).toEqual(userHash(user, realm))
  expect(message.text(Attribute.NONCE)).toBe(nonce)
  expect(message.text(Attribute.REALM)).toBe(realm)
  expect(message.uint32(Attribute.PASSWORD_ALGORITHM)! >>> 16).toBe(PasswordAlgorithm.SHA_256)
  expect(verifyIntegritySha256(message, key)).toBe(true)
})

test('VEC-06 the writer makes the corrected sample byte for byte', () => {
  const writer = new StunWriter()
  writer
    .begin(Method.BINDING, MessageClass.REQUEST, fromHex(transactionId))
    .bytes(Attribute.USERHASH, userHash(user, realm))
    .text(Attribute.NONCE, nonce)
    .text(Attribute.REALM, realm)
    .uint32(Attribute.PASSWORD_ALGORITHM, PasswordAlgorithm.SHA_256 << 16)
    .integritySha256(key)
  expect(writer.buffer.subarray(0, writer.end())).toEqual(corrected)
})

test('VEC-06 the sample as printed is refused: its header claims more than is there', () => {
  expect(StunMessage.parse(printed)).toBeNull()
})

test('VEC-06 the printed HMAC fits neither key, even with the length put right', () => {
  const repaired = Buffer.from(printed)
  repaired.writeUInt16BE(repaired.length - 20, 2)
  const message = StunMessage.parse(repaired)!
  expect(verifyIntegritySha256(message, key)).toBe(false)
  expect(verifyIntegritySha256(message, longTermKey(user, realm, 'TheMatrIX'))).toBe(false)
})

test('STUN-S256-04 the SHA-256 key is 32 bytes over name, realm and password', () => {
  // printf 'user:realm:pass' | sha256sum
  expect(longTermKeySha256('user', 'realm', 'pass').toString('hex')).toBe(
    '07e934117abd40836e7c6329b54731b2b2d2a5f9a71f544922d75e0730d8251b',
  )
})

test('STUN-S256-07 a user hash is the SHA-256 of name and realm', () => {
  expect(userHash(user, realm).toString('hex')).toMatch(/^4a3cf38f/)
})
