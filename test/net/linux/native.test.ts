import { execFileSync, spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { describe, expect, onTestFinished, test } from 'vitest'
import * as systemCalls from '../../../src/net/linux/system-calls.ts'
import * as openssl from '../../../src/net/openssl/openssl.ts'

const sources = readdirSync('src', { recursive: true, encoding: 'utf8' })
  .filter((file) => /\.tsx?$/.test(file))
  .map((file) => ({ file, text: readFileSync(join('src', file), 'utf8') }))

const filesWith = (pattern: RegExp) => sources.filter(({ text }) => pattern.test(text)).map(({ file }) => file)

test('native code is reached by one file for the C library and one for OpenSSL, over one loader', () => {
  expect(filesWith(/['"]koffi['"]/)).toEqual(['net/linux/koffi.ts'])
  expect(filesWith(/koffi\.ts['"]/).toSorted()).toEqual(['net/linux/system-calls.ts', 'net/openssl/openssl.ts'])
})

test('the fields of structures, and addresses in memory, are the business of one file', () => {
  const fieldsAndAddresses = /DataView|\.(read|write)(Big)?U?Int|\.address\b|\bthis\.#words\b/
  const driver = sources.filter(({ file }) => file.startsWith('net/linux/')).map(({ file }) => file)
  expect(driver.length).toBeGreaterThan(5)
  expect(filesWith(fieldsAndAddresses).filter((file) => driver.includes(file))).toEqual(['net/linux/system-calls.ts'])
  expect(filesWith(/\bRegion\b/).filter((file) => !driver.includes(file))).toEqual([])
})

const hasCompiler = spawnSync('cc', ['--version']).status === 0

describe.runIf(hasCompiler && process.platform === 'linux' && process.arch in systemCalls.EPOLL_EVENT)(
  'a C compiler for this machine',
  () => {
    test('has the same numbers of the kernel under the same names', () => {
      const numbers = numbersOf(systemCalls)
      expect(Object.keys(numbers).length).toBeGreaterThan(40)
      expect(compiled(KERNEL_HEADERS, Object.keys(numbers))).toEqual(numbers)
    })

    test('lays the same structures out in the same way', () => {
      const arch = process.arch as keyof typeof systemCalls.EPOLL_EVENT
      const layouts = { ...systemCalls.LAYOUTS, epoll_event: systemCalls.EPOLL_EVENT[arch] }
      const expected = Object.entries(layouts).flatMap(([name, { size, ...offsets }]) => [
        [`sizeof(struct ${name})`, size] as const,
        ...Object.entries(offsets).map(([field, at]) => [`offsetof(struct ${name}, ${field})`, at] as const),
      ])
      expect(compiled(KERNEL_HEADERS, Object.keys(Object.fromEntries(expected)))).toEqual(Object.fromEntries(expected))
    })
  },
)

const nodeHeaders = join(dirname(process.execPath), '../include/node')

test.runIf(hasCompiler && existsSync(join(nodeHeaders, 'openssl/ssl.h')))(
  "the headers of node's OpenSSL have the same numbers under the same names",
  () => {
    const numbers = numbersOf(openssl)
    expect(Object.keys(numbers).length).toBeGreaterThan(15)
    expect(compiled(['openssl/ssl.h'], Object.keys(numbers), '-I', nodeHeaders)).toEqual(numbers)
  },
)

const KERNEL_HEADERS = [
  'fcntl.h',
  'netinet/in.h',
  'netinet/udp.h',
  'sys/epoll.h',
  'sys/eventfd.h',
  'sys/socket.h',
  'time.h',
  'linux/errqueue.h',
]

/** Constants as they are exported, alone or as members of one prefix, by their names in C. */
function numbersOf(module: object): Record<string, number> {
  const named = Object.entries<unknown>({ ...module }).filter(([name]) => /^[A-Z][A-Z0-9_]*$/.test(name))
  const members = named.flatMap(([prefix, value]) =>
    typeof value === 'object' && value !== null
      ? Object.entries<unknown>({ ...value }).map(([name, each]) => [`${prefix}_${name}`, each] as const)
      : [[prefix, value] as const],
  )
  return Object.fromEntries(members.filter((entry): entry is [string, number] => typeof entry[1] === 'number'))
}

/** What a C compiler makes of integer expressions. */
function compiled(headers: readonly string[], expressions: readonly string[], ...flags: string[]) {
  const directory = mkdtempSync(join(tmpdir(), 'webrtc-stack-native-'))
  onTestFinished(() => rmSync(directory, { recursive: true }))
  const program = [
    '#define _GNU_SOURCE',
    '#include <stddef.h>',
    '#include <stdio.h>',
    ...headers.map((header) => `#include <${header}>`),
    'int main(void) {',
    ...expressions.map((expression) => `printf("%lld\\n", (long long) (${expression}));`),
    '}',
  ].join('\n')
  const path = join(directory, 'program')
  execFileSync('cc', ['-x', 'c', '-', ...flags, '-o', path], { input: program })
  const values = execFileSync(path, { encoding: 'utf8' }).trim().split('\n').map(Number)
  return Object.fromEntries(expressions.map((expression, i) => [expression, values[i]!]))
}
