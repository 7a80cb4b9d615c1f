import { brotliDecompressSync, gunzipSync } from 'node:zlib'
import { describe, expect, test } from 'vitest'
import { callPages, contentSecurityPolicy, jsonInHtml, pageAssets, renderPage } from '../../src/http/page/page.ts'
import type { PageParameters } from '../../src/http/page/page-parameters.ts'

const page: PageParameters = {
  headerMessage: null,
  errorMessages: [],
  warningMessages: [],
  isLoopback: false,
  mediaConstraints: { audio: true, video: true },
  offerOptions: {},
  peerConnectionConfig: { iceServers: [] },
  peerConnectionConstraints: { optional: [] },
  iceServerRequestUrl: '',
  iceServerTransports: '',
  wssUrl: 'ws://127.0.0.1:8089/ws',
  wssPostUrl: 'http://127.0.0.1:8089',
  bypassJoinConfirmation: false,
}
const hostile = '</script><img src=x onerror=alert(1)>&"\'\u2028\u2029<!--'

/** The page's data block, as a browser would read it: up to the first end tag. */
function dataIn(html: string): Record<string, unknown> {
  const block = /<script type="application\/json" id="page">(.*?)<\/script>/s.exec(html)
  return JSON.parse(block![1]!) as Record<string, unknown>
}

describe('renderPage', () => {
  test('AR-4.2 the landing page contains no roomId', () => {
    expect(renderPage('home', page)).not.toContain('roomId:')
    expect(dataIn(renderPage('home', page))).toMatchObject({ view: 'home' })
  })

  test("AR-4.3 the call page contains roomId: 'testRoom'", () => {
    const html = renderPage('call', { ...page, roomId: 'testRoom' })
    expect(html).toContain("roomId: 'testRoom'")
    expect(dataIn(html)).toMatchObject({ view: 'call', roomId: 'testRoom' })
  })

  test('SEC-39 nothing it is given leaves the data block or an attribute', () => {
    const html = renderPage('call', {
      ...page,
      roomId: hostile,
      headerMessage: hostile,
      errorMessages: [hostile],
      warningMessages: [hostile],
      mediaConstraints: { video: { mandatory: { [hostile]: hostile } } },
    })
    expect(html).not.toContain('<img')
    expect(html).not.toContain('<!--')
    expect(html).not.toMatch(/[\u2028\u2029]/)
    expect(dataIn(html)).toMatchObject({ headerMessage: hostile, errorMessages: [hostile], warningMessages: [hostile] })
    expect(html.match(/<script/g)).toHaveLength(2)
  })

  test('SEC-40 has no inline script, style or handler and asks only for files it brings along', () => {
    const html = renderPage('call', { ...page, roomId: 'testRoom' })
    expect(html).not.toMatch(/<style|style=|\son\w+=/i)
    expect(html.match(/<script(?! type="application\/json")[^>]*>[^<]+/)).toBeNull()
    const urls = [...html.matchAll(/(?:src|href)="([^"]*)"/g)].map((match) => match[1]!)
    expect(urls.length).toBeGreaterThan(2)
    for (const url of urls) expect(pageAssets.has(url), url).toBe(true)
  })
})

describe('pageAssets', () => {
  test('names files by their content', () => {
    const paths = [...callPages.assets.keys()]
    for (const page of ['landing', 'call'])
      for (const extension of ['js', 'css'])
        expect(
          paths.find((path) => new RegExp(`^/assets/${page}\\.[A-Z0-9]{8}\\.${extension}$`).test(path)),
        ).toBeDefined()
  })

  test('are the same compressed and not', () => {
    for (const [path, { body, encoded }] of pageAssets) {
      if (encoded === null) continue
      expect(brotliDecompressSync(encoded.br).toString(), path).toBe(body)
      expect(gunzipSync(encoded.gzip).toString(), path).toBe(body)
    }
  })

  test('SEC-40 name no other host', () => {
    const allowed = /^https?:\/\/(www\.w3\.org|www\.ietf\.org|www\.webrtc\.org)\//
    for (const [path, { body, contentType }] of pageAssets) {
      const urls = body.match(/https?:\/\/[\w.-]+\.\w+\/[\w./-]*/g) ?? []
      // Names of XML and RTP vocabularies and links in licence comments are never fetched; a stylesheet's URLs are.
      if (contentType.startsWith('text/css')) expect(urls, path).toEqual([])
      else if (contentType.startsWith('image/')) for (const url of urls) expect(url, path).toMatch(allowed)
      if (contentType.startsWith('text/css')) expect(body, path).not.toMatch(/@import|url\(/)
    }
  })
})

describe('contentSecurityPolicy', () => {
  const policy = (connectSources: string[], frameAncestors = "'none'") =>
    contentSecurityPolicy({ connectSources, frameAncestors })

  test('SEC-40 allows nothing inline and no frames', () => {
    expect(policy([])).not.toContain('unsafe')
    expect(policy([])).toMatch(/default-src 'none'; script-src 'self'; style-src 'self';/)
    expect(policy([])).toMatch(/frame-ancestors 'none'$/)
    expect(policy([], 'https://intranet.example')).toMatch(/frame-ancestors https:\/\/intranet\.example$/)
  })

  test('SEC-41 connects to its own origin and to the announced hosts alone', () => {
    expect(policy(['wss://hub.example:8089/ws', 'https://hub.example:8089', 'https://hub.example:8089/x'])).toContain(
      "connect-src 'self' wss://hub.example:8089 https://hub.example:8089;",
    )
    expect(policy(['ws://[::1]:8089/ws'])).toContain("connect-src 'self' ws://[::1]:8089;")
  })

  test.each(['', 'not a URL', 'javascript:alert(1)', 'data:text/html,x', "https://a;script-src 'unsafe-inline'/"])(
    'SEC-41 ignores the address %j',
    (url) => {
      expect(policy([url])).toBe(policy([]))
    },
  )
})

test('SEC-39 jsonInHtml gives back the same value', () => {
  const value = { [hostile]: [hostile, 1, null] }
  expect(jsonInHtml(value)).not.toMatch(/[<>&\u2028\u2029]/)
  expect(JSON.parse(jsonInHtml(value))).toEqual(value)
})
