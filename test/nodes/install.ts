import { execFileSync } from 'node:child_process'
import { copyFileSync, existsSync, mkdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { TestProject } from 'vitest/node'

/** One of the Nodes that pinned/package.json names. */
export interface InstalledNode {
  readonly version: string
  /** The program, or null when npm could not get it for this machine. */
  readonly path: string | null
}

declare module 'vitest' {
  /** Given to the project `nodes`, and to no other. */
  export interface ProvidedContext {
    readonly nodes?: readonly InstalledNode[]
  }
}

const pinned = fileURLToPath(new URL('pinned', import.meta.url))
const cache = fileURLToPath(new URL('../../node_modules/.cache/nodes', import.meta.url))
const PACKAGE_FILES = ['package.json', 'package-lock.json']

/** Runs before the suites of this folder: npm installs what the lock file pins, unless it is there from before. */
export default function setup(project: TestProject): void {
  const { packages } = JSON.parse(readFileSync(join(pinned, 'package-lock.json'), 'utf8')) as {
    packages: Readonly<Record<string, { readonly version?: string }>>
  }
  const nodes = Object.entries(packages)
    .filter(([folder]) => folder !== '')
    .map(([folder, { version }]) => ({ version: version!, path: join(cache, folder, 'bin/node') }))
  if (nodes.some(({ version, path }) => versionOf(path) !== version)) install()
  project.provide(
    'nodes',
    nodes.map(({ version, path }) => ({ version, path: versionOf(path) === version ? path : null })),
  )
}

function install(): void {
  console.log('Installing the Nodes that the build is tried under')
  mkdirSync(cache, { recursive: true })
  for (const name of PACKAGE_FILES) copyFileSync(join(pinned, name), join(cache, name))
  // Whoever has no network should not wait a minute to hear of it.
  const patience = ['--fetch-retry-mintimeout=1000', '--fetch-retry-maxtimeout=5000']
  const flags = ['--prefer-offline', ...patience, '--no-audit', '--no-fund', '--ignore-scripts']
  try {
    execFileSync('npm', ['ci', ...flags], { cwd: cache, stdio: ['ignore', 'ignore', 'inherit'] })
  } catch (error) {
    // What is missing now is named by the suites, which are skipped, or fail with CI=true.
    console.log(`Installing failed: ${(error as Error).message}`)
  }
}

/** What the program says itself; null when it is not there or does not run here. */
function versionOf(path: string): string | null {
  if (!existsSync(path)) return null
  try {
    return execFileSync(path, ['-p', 'process.versions.node'], { encoding: 'utf8' }).trim()
  } catch {
    return null
  }
}
