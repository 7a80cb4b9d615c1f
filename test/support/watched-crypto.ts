import crypto from 'node:crypto'
import { syncBuiltinESMExports } from 'node:module'
import { type MockInstance, onTestFinished, vi } from 'vitest'

/**
 * Sees every call of one of node:crypto's functions from now until the test ends, starting with none. A mock of the module
 * would miss those of modules that another test file has loaded before, in a project whose files share one process.
 */
export function watchCrypto<Name extends 'createHash' | 'createHmac' | 'timingSafeEqual'>(
  name: Name,
): MockInstance<(typeof crypto)[Name]> {
  // vi.spyOn cannot type a name that is one of several.
  const watched = vi.spyOn(crypto, name as 'timingSafeEqual').mockClear()
  syncBuiltinESMExports()
  onTestFinished(() => {
    watched.mockRestore()
    syncBuiltinESMExports()
  })
  return watched as unknown as MockInstance<(typeof crypto)[Name]>
}
