import { expect, test } from 'vitest'
import { StunMessage } from '../../src/stun/message.ts'
import { useEveryAccessor } from '../support/every-accessor.ts'
import { publicSeeds } from '../support/public-seeds.ts'

test.each(publicSeeds)('SEC-34 %s is read or refused, whole and cut anywhere', (_name, bytes) => {
  for (let end = bytes.length; end >= 0; end--) {
    const message = StunMessage.parse(bytes, 0, end)
    if (message !== null) useEveryAccessor(message)
  }
  // The same with the header made to fit, so that what follows it is looked at in any case.
  const fitted = Buffer.concat([bytes, Buffer.alloc(20)]).subarray(0, Math.max(20, bytes.length & ~3))
  fitted[0]! &= 0x3f
  fitted.writeUInt16BE(fitted.length - 20, 2)
  fitted.writeUInt32BE(0x2112a442, 4)
  const message = StunMessage.parse(fitted)
  if (message !== null) useEveryAccessor(message)
})

test('SEC-34 some of the seeds are messages, some are not', () => {
  const messages = publicSeeds.filter(([, bytes]) => StunMessage.parse(bytes) !== null)
  expect(messages.length).toBeGreaterThan(10)
  expect(messages.length).toBeLessThan(publicSeeds.length)
})
