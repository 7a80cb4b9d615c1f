import { describe, inject, test } from 'vitest'
import type { InstalledNode } from './install.ts'

/** A Node that is there. */
export type Node = InstalledNode & { readonly path: string }

/**
 * A suite for each Node that people run. Where npm could not get one, its suite is skipped with the reason in its name; with
 * CI=true it fails instead.
 */
export function describeNodes(what: string, body: (node: Node) => void): void {
  for (const node of inject('nodes') ?? []) {
    const name = `SEC-60 Node ${node.version} ${what}`
    if (isThere(node)) {
      describe(name, () => body(node))
      continue
    }
    const reason = `npm could not install Node ${node.version} for ${process.platform}-${process.arch}`
    if (process.env['CI'] === 'true') {
      test(name, () => {
        throw new Error(`${reason}, and CI=true does not skip`)
      })
    } else describe.skipIf(true)(`${name} [skipped: ${reason}]`, () => body({ ...node, path: '' }))
  }
}

function isThere(node: InstalledNode): node is Node {
  return node.path !== null
}
