import { createRequire } from 'node:module'
import type koffiModule from 'koffi'

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
