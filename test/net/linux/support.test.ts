import { afterEach, expect, onTestFinished, test, vi } from 'vitest'

let endianness = 'LE'
let koffi: () => unknown = () => ({})
vi.mock('node:os', async (original) => ({ ...(await original<object>()), endianness: () => endianness }))
vi.mock('node:module', () => ({ createRequire: () => () => koffi() }))

afterEach(() => {
  vi.resetModules()
  endianness = 'LE'
  koffi = () => ({})
})

test.each([
  ['another system', () => pretend('platform', 'darwin'), 'needs Linux, this is darwin'],
  ['another processor', () => pretend('arch', 'riscv64'), 'needs x86-64 or arm64, this is riscv64'],
  ['the other byte order', () => setEndianness('BE'), 'needs x86-64 or arm64 in little endian order'],
  [
    'no koffi',
    () => setKoffi(missing),
    'the optional package koffi is not installed or has no binary for this machine',
  ],
  ['a C library that lacks something', () => setKoffi(without), 'the C library lacks a function: no socket'],
])('system calls are refused in one line on %s', async (_name, prepare, reason) => {
  pretend('platform', 'linux')
  pretend('arch', 'arm64')
  prepare()
  const { linuxSupport, linux, Region } = await import('../../../src/net/linux/system-calls.ts')
  expect(linuxSupport()).toEqual({ available: false, reason })
  expect(() => linux()).toThrow(`no Linux sockets: ${reason}`)
  expect(() => new Region(8)).toThrow(`no Linux sockets: ${reason}`)
})

function pretend(name: 'platform' | 'arch', value: string): void {
  const own = Object.getOwnPropertyDescriptor(process, name)!
  Object.defineProperty(process, name, { ...own, value })
  onTestFinished(() => {
    Object.defineProperty(process, name, own)
  })
}

function setEndianness(value: string): void {
  endianness = value
}

function setKoffi(load: () => unknown): void {
  koffi = load
}

function missing(): never {
  throw new Error("Cannot find module 'koffi'")
}

function without(): object {
  const func = (prototype: string) => {
    throw new Error(`no ${/(\w+)\(/.exec(prototype)![1]}`)
  }
  return { load: () => ({ func }) }
}
