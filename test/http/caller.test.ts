import { fc, test as property } from '@fast-check/vitest'
import { describe, expect, test } from 'vitest'
import { addressList, blockOf, holds } from '../../src/http/caller/caller.ts'
import { parseHost } from '../../src/http/caller/host.ts'

describe('addresses', () => {
  test.each([
    ['192.0.2.1', '192.0.2.1'],
    ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2'],
    ['2001:db8:1:2::', '2001:db8:1:2'],
    ['::1', '0:0:0:0'],
  ])('%s counts as %s', (address, block) => {
    expect(blockOf(address)).toBe(block)
  })

  test('lists take addresses and ranges of both families', () => {
    const list = addressList(['192.0.2.1', '10.0.0.0/8', '2001:db8::/32'])
    expect(['192.0.2.1', '10.9.9.9', '2001:db8::5'].every((address) => holds(list, address))).toBe(true)
    expect(['192.0.2.2', '11.0.0.0', '2001:db9::', 'unknown', ''].some((address) => holds(list, address))).toBe(false)
  })

  test.each(['nonsense', '10.0.0.0/33', '10.0.0.0/x', ''])('a list with %j in it is a mistake', (entry) => {
    expect(() => addressList([entry])).toThrow()
  })
})

describe('Host', () => {
  test.each([
    ['a', { name: 'a', port: null, text: 'a' }],
    ['A.Example:80', { name: 'a.example', port: 80, text: 'a.example:80' }],
    ['[2001:DB8::1]:1', { name: '[2001:db8::1]', port: 1, text: '[2001:db8::1]:1' }],
  ])('%s', (text, host) => {
    expect(parseHost(text)).toEqual(host)
  })

  property.prop([fc.string({ unit: 'binary' })])('SEC-42 what parses can stand in a URL and in HTML', (text) => {
    const host = parseHost(text)
    if (host) expect(new URL(`http://${host.text}/`).pathname).toBe('/')
    if (host) expect(host.text).toMatch(/^[a-z0-9._:[\]-]+$/)
  })
})
