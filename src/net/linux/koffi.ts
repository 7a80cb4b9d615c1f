import { createRequire } from 'node:module'
import type koffiModule from 'koffi'

// The one way to native code. Two files may take it: linux/system-calls.ts for the C library, openssl.ts for the OpenSSL inside node.

export type Koffi = typeof koffiModule

/** What an operator is told where `loadKoffi` finds nothing. */
export const NO_KOFFI = 'the optional package koffi is not installed or has no binary for this machine'

/** The optional package that calls native functions; null where it cannot be had. */
export function loadKoffi(): Koffi | null {
  try {
    return createRequire(import.meta.url)('koffi') as Koffi
  } catch {
    return null
  }
}

/** The functions of this process that C prototypes describe, by name. Throws where it lacks one. */
export function bind<Functions extends object>(
  koffi: Koffi,
  prototypes: Readonly<Record<keyof Functions, string>>,
): Functions {
  const symbols = koffi.load(null)
  const bound = Object.entries<string>(prototypes).map(([name, prototype]) => [name, symbols.func(prototype)])
  return Object.fromEntries(bound) as Functions
}
