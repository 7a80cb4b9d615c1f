import { createHmac } from 'node:crypto'
import fc from 'fast-check'
import { expect, onTestFinished, test } from 'vitest'
import { loadKoffi } from '../../../src/net/linux/koffi.ts'
import { opensslHmac } from '../../../src/net/openssl/openssl-hmac.ts'
import { MAX_MESSAGE_LENGTH } from '../../../src/stun/constants.ts'
import { hmac, replaceHmac } from '../../../src/stun/hmac.ts'
import { verifyIntegrity, verifyIntegritySha256 } from '../../../src/stun/integrity.ts'
import { request } from '../../support/signed-request.ts'

const made = opensslHmac()

test('HMACs by OpenSSL are to be had wherever koffi is and node has OpenSSL 3', () => {
  expect(made !== null).toBe(loadKoffi() !== null && process.versions.openssl!.startsWith('3.'))
})

test.runIf(made !== null)('HMACs by OpenSSL are the same as those by node, whatever came before', () => {
  const hash = fc.constantFrom('sha1' as const, 'sha256' as const)
  const key = fc.uint8Array({ maxLength: 100 })
  const message = fc.uint8Array({ maxLength: 2000 })
  fc.assert(
    fc.property(hash, key, message, (hash, key, message) => {
      made!.input.set(message)
      const expected = createHmac(hash, key).update(message).digest()
      expect(made!.digest(hash, Buffer.from(key), message.length)).toEqual(expected)
    }),
    { numRuns: 2000 },
  )
})

test.runIf(made !== null)('HMACs by OpenSSL of the longest message there is', () => {
  made!.input.fill(7)
  const expected = createHmac('sha1', 'key').update(Buffer.alloc(MAX_MESSAGE_LENGTH, 7)).digest()
  expect(made!.digest('sha1', Buffer.from('key'), MAX_MESSAGE_LENGTH)).toEqual(expected)
})

test.runIf(made !== null)('STUN-MI-01 what one kind of HMAC has signed the other finds right', () => {
  const node = hmac
  onTestFinished(() => replaceHmac(node))
  const [key, wrong] = [Buffer.alloc(16, 1), Buffer.alloc(16, 2)]
  for (const [signer, verifier] of [
    [node, made!],
    [made!, node],
  ] as const) {
    replaceHmac(signer)
    const message = request({ username: 'alice', key, sha256Key: key })
    replaceHmac(verifier)
    expect([verifyIntegrity(message, key), verifyIntegrity(message, wrong)]).toEqual([true, false])
    expect([verifyIntegritySha256(message, key), verifyIntegritySha256(message, wrong)]).toEqual([true, false])
  }
})
