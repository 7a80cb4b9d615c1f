import { request } from 'node:http'
import { brotliDecompressSync, gunzipSync } from 'node:zlib'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { acceptedEncoding } from '../../src/http/page/accept-encoding.ts'
import { callPages } from '../../src/http/page/page.ts'
import { pageFiles } from '../../tsup.config.ts'
import { Service } from './service.ts'

describe('what a page weighs on its way, as it is published', () => {
  const kilobytes = (bytes: number) => Math.round(bytes / 100) / 10
  let built: Awaited<ReturnType<typeof pageFiles>>
  beforeAll(async () => {
    built = await pageFiles(true)
  })

  test.each([
    ['landing', 25],
    ['call', 45],
  ])('%s: at most %d kB', (page, most) => {
    const { script, style, chunks } = built.pages[page]!
    const sizes = [script, style, ...chunks].map((name) => {
      const { br } = built.files.find((file) => file.name === name)!
      return [name, kilobytes(Buffer.from(br, 'base64').length)] as const
    })
    // The document itself, its icon and its manifest.
    const others = 3
    const total = sizes.reduce((sum, [, size]) => sum + size, others)
    expect(total, JSON.stringify(sizes)).toBeLessThanOrEqual(most)
    console.log(page, total.toFixed(1), 'kB', JSON.stringify(sizes))
  })

  test('what waits is in files of its own', () => {
    const { script, chunks } = built.pages['call']!
    const atOnce = built.files.filter(({ name }) => name === script || chunks.includes(name))
    for (const later of ['chat-messages', 'graph-line', 'crispEdges', 'requestWindow']) {
      expect(
        built.files.some(({ text }) => text.includes(later)),
        later,
      ).toBe(true)
      expect(
        atOnce.filter(({ name, text }) => name.endsWith('.js') && text.includes(later)),
        later,
      ).toEqual([])
    }
  })
})

test.each([
  [undefined, null],
  ['', null],
  ['identity', null],
  ['gzip, deflate, br, zstd', 'br'],
  ['gzip;q=1.0, br;q=0', 'gzip'],
  ['GZIP', 'gzip'],
  ['*', 'br'],
  ['br;q=0, *;q=0.5', 'gzip'],
  ['*;q=0', null],
  ['br;q=nonsense', null],
] as const)('who accepts %j gets %s', (header, encoding) => {
  expect(acceptedEncoding(header)).toBe(encoding)
})

describe('a file of the page', () => {
  let service: Service
  beforeAll(async () => {
    service = await Service.start({ pages: callPages })
  })
  afterAll(() => service.close())

  test.each([
    ['br', brotliDecompressSync],
    ['gzip', gunzipSync],
    ['identity', (bytes: Buffer) => bytes],
  ] as const)('comes as %s', async (encoding, decode) => {
    const [path, { body }] = [...callPages.assets].find(([name]) => /call\..*\.js$/.test(name))!
    const { headers, bytes } = await get(`${service.url}${path}`, encoding)
    expect(headers['content-encoding']).toBe(encoding === 'identity' ? undefined : encoding)
    expect(headers['vary']).toContain('Accept-Encoding')
    expect(Number(headers['content-length'])).toBe(bytes.length)
    expect(decode(bytes).toString()).toBe(body)
  })
})

/** As it is on the wire: fetch would decompress. */
function get(url: string, encoding: string) {
  return new Promise<{ headers: Record<string, string | string[] | undefined>; bytes: Buffer }>((resolve, reject) => {
    request(url, { headers: { 'Accept-Encoding': encoding } }, (response) => {
      const chunks: Buffer[] = []
      response.on('data', (chunk: Buffer) => chunks.push(chunk))
      response.on('end', () => resolve({ headers: response.headers, bytes: Buffer.concat(chunks) }))
    })
      .on('error', reject)
      .end()
  })
}
