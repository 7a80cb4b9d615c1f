import { randomBytes } from 'node:crypto'
import { afterEach, expect, test, vi } from 'vitest'
import { DtlsCounters } from '../../../src/net/counters.ts'
import { SourceCount } from '../../../src/turn/limits/source-count.ts'
import { leaf } from '../../support/dtls-host.ts'
import { handshakesAlone } from '../../support/handshakes.ts'

let koffi: () => unknown = () => ({})
vi.mock('node:module', () => ({ createRequire: () => () => koffi() }))

afterEach(() => {
  vi.resetModules()
})

test.each([
  [
    'koffi is not installed',
    () => {
      throw new Error("Cannot find module 'koffi'")
    },
    'the optional package koffi is not installed or has no binary for this machine',
  ],
  [
    'node does not export a function',
    () => ({
      load: () => ({
        func: (definition: string) => {
          throw new Error(`no symbol for ${definition}`)
        },
      }),
    }),
    'this node does not export its OpenSSL: no symbol for void ERR_clear_error()',
  ],
])('says in one line why there is no DTLS when %s', async (_name, load, reason) => {
  koffi = load
  const { dtlsSupport } = await import('../../../src/net/openssl/openssl.ts')
  expect(dtlsSupport()).toEqual({ available: false, reason })
  const { DtlsServer } = await import('../../../src/net/dtls/dtls.ts')
  const nothing = () => {
    throw new Error('not expected')
  }
  const world = {
    sendDatagram: nothing,
    receive: nothing,
    closed: nothing,
    hasAllocation: nothing,
    nextConnection: nothing,
    clock: nothing,
    waiting: nothing,
    counters: new DtlsCounters(),
  }
  expect(
    () =>
      new DtlsServer(
        { identity: leaf, random: randomBytes, handshakes: handshakesAlone(), sources: new SourceCount() },
        world,
      ),
  ).toThrow(`DTLS is not available: ${reason}`)
})
