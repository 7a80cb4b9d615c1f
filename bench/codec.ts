// What the codec costs per message. Run it with
//   npx esbuild bench/codec.ts --bundle --platform=node --format=esm --log-level=warning | node --input-type=module

import { Address } from '../src/stun/address.ts'
import { Attribute, MessageClass, Method } from '../src/stun/constants.ts'
import { verifyFingerprint, verifyIntegrity } from '../src/stun/integrity.ts'
import { StunMessage } from '../src/stun/message.ts'
import { StunWriter } from '../src/stun/writer.ts'

const ROUNDS = 300_000
const id = Buffer.from('b7e7a701bc34d686fa87dfae', 'hex')
const key = Buffer.alloc(16, 'k')
const peer = Address.ipv4(0xc0000201, 32853)
const into = new Address()
const writer = new StunWriter()

const binding = message((writer) => writer.begin(Method.BINDING, MessageClass.REQUEST, id))
const send = message((writer) =>
  writer
    .begin(Method.SEND, MessageClass.INDICATION, id)
    .xorAddress(Attribute.XOR_PEER_ADDRESS, peer)
    .bytes(Attribute.DATA, Buffer.alloc(1_200)),
)
const refresh = message((writer) =>
  writer
    .begin(Method.REFRESH, MessageClass.REQUEST, id)
    .uint32(Attribute.LIFETIME, 600)
    .text(Attribute.USERNAME, '1760000000:alice')
    .text(Attribute.REALM, 'example.org')
    .text(Attribute.NONCE, 'obMatJos2AAAA0123456789abcdef0123456789abcdef')
    .integrity(key)
    .fingerprint(),
)

measure('parse Binding request', () => StunMessage.parse(binding)!.method)
measure('parse Send indication, peer and data', () => {
  const message = StunMessage.parse(send)!
  message.xorAddress(Attribute.XOR_PEER_ADDRESS, into)
  return message.find(Attribute.DATA)
})
measure('parse Refresh request', () => StunMessage.parse(refresh)!.uint32(Attribute.LIFETIME)!)
measure('  and its three texts', () => {
  const message = StunMessage.parse(refresh)!
  const texts = message.text(Attribute.USERNAME)! + message.text(Attribute.REALM) + message.text(Attribute.NONCE)
  return texts.length
})
measure('  and its integrity', () => Number(verifyIntegrity(StunMessage.parse(refresh)!, key)))
measure('  and its fingerprint', () => verifyFingerprint(StunMessage.parse(refresh)!).length)
measure('write Binding response', () => {
  writer.begin(Method.BINDING, MessageClass.SUCCESS, id).xorAddress(Attribute.XOR_MAPPED_ADDRESS, peer)
  return writer.end()
})
measure('write Refresh response with integrity', () => {
  writer.begin(Method.REFRESH, MessageClass.SUCCESS, id).uint32(Attribute.LIFETIME, 600).integrity(key)
  return writer.end()
})

function message(write: (writer: StunWriter) => StunWriter): Buffer {
  const writer = write(new StunWriter())
  return Buffer.from(writer.buffer.subarray(0, writer.end()))
}

/** The best of five, because the machine may be doing something else. `work` returns a number so it cannot vanish. */
function measure(name: string, work: () => number): void {
  let best = Number.POSITIVE_INFINITY
  let sum = 0
  for (let run = 0; run < 5; run++) {
    const began = process.hrtime.bigint()
    for (let i = 0; i < ROUNDS; i++) sum += work()
    best = Math.min(best, Number(process.hrtime.bigint() - began) / ROUNDS)
  }
  console.log(`${best.toFixed(0).padStart(6)} ns  ${name}${sum < 0 ? '!' : ''}`)
}
