#!/usr/bin/env node
import { existsSync } from 'node:fs'
import { resolve } from 'node:path'
import { fileURLToPath } from 'node:url'

const program = new URL('../dist/cli.js', import.meta.url)
const folder = resolve(fileURLToPath(new URL('..', import.meta.url)))

/** In one line, because what is missing is no fault of the program. */
function complain(what, fix) {
  process.stderr.write(`webrtc-stack: ${what}; run \`${fix}\` in ${folder}\n`)
  process.exitCode = 1
}

if (existsSync(program)) {
  await import(program.href).catch((error) => {
    const [, missing] = /^Cannot find package '(.+?)'/.exec(error?.message) ?? []
    if (missing === undefined) throw error
    complain(`the package ${missing} is not installed`, 'npm ci')
  })
} else {
  complain('nothing is built from these sources yet', 'npm ci --include=dev')
}
