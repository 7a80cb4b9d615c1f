import { Address } from '../../src/stun/address.ts'
import { Attribute } from '../../src/stun/constants.ts'
import { verifyFingerprint, verifyIntegrity, verifyIntegritySha256 } from '../../src/stun/integrity.ts'
import type { StunMessage } from '../../src/stun/message.ts'

const attributes: readonly number[] = [...Object.values(Attribute), 0x0000, 0x7fff, 0xc057, 0xffff]
const known = new Set(attributes.slice(0, 10))
const key = Buffer.from('key')
const address = new Address()

/** Asks a message for everything it can say, about every attribute it has: none of it may throw, whatever was received. */
export function useEveryAccessor(message: StunMessage): void {
  void [message.type, message.method, message.messageClass, message.transactionId()]
  for (const attribute of attributes) {
    if (!message.has(attribute)) continue
    message.uint8(attribute)
    message.uint32(attribute)
    message.value(attribute)
    message.text(attribute)
    message.xorAddress(attribute, address)
    message.address(attribute, address)
    for (let at = message.find(attribute), n = 0; at >= 0 && n < 8; at = message.findNext(attribute, at), n++) {
      message.lengthAt(at)
      message.xorAddressAt(at, address)
      message.isXorMappedAt(at)
    }
  }
  message.errorCode()
  message.unknownRequired(known)
  verifyFingerprint(message)
  verifyIntegrity(message, key)
  verifyIntegritySha256(message, key)
}
