import { createHash } from 'node:crypto'
import { brotliDecompressSync } from 'node:zlib'
import { files, pages } from 'virtual:page-assets'
import type { PageData } from '../../web/page-data.ts'
import type { CallPages, ContentSecurityContext, PageAsset, PageParameters, PageView } from './page-parameters.ts'

const icon = `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 64 64"><rect width="64" height="64" rx="16" fill="#0f766e"/><path d="M14 23a5 5 0 0 1 5-5h17a5 5 0 0 1 5 5v18a5 5 0 0 1-5 5H19a5 5 0 0 1-5-5zm29 7 10.5-6.8v17.6L43 35z" fill="#fff"/></svg>`

const favicon = hashed('icon', 'svg', icon)
const manifest = hashed(
  'manifest',
  'webmanifest',
  JSON.stringify({
    name: 'webrtc-stack',
    short_name: 'webrtc-stack',
    start_url: '/',
    display: 'standalone',
    background_color: '#0c1117',
    theme_color: '#0c1117',
    icons: [{ src: favicon.path, type: 'image/svg+xml', sizes: 'any' }],
  }),
)

/** Every file the page asks for, by path. Names carry a hash of the content, so they never change. */
export const pageAssets: ReadonlyMap<string, PageAsset> = new Map([
  ...files.map(compressed),
  asset(favicon, 'image/svg+xml'),
  asset(manifest, 'application/manifest+json'),
])

/** The HTML of a page. Pure: everything that varies is in `page`, and all of it is escaped. */
export function renderPage(view: PageView, page: PageParameters): string {
  const data: PageData = {
    view,
    ...(page.roomId === undefined ? {} : { roomId: page.roomId }),
    headerMessage: page.headerMessage,
    errorMessages: page.errorMessages,
    warningMessages: page.warningMessages,
    mediaConstraints: page.mediaConstraints,
    bypassJoinConfirmation: page.bypassJoinConfirmation,
  }
  const { script, style, chunks } = pages[view === 'home' ? 'landing' : 'call']
  // Programs that scrape AppRTC's page look for this text.
  const room = page.roomId === undefined ? '' : `\n<meta name="apprtc" content="roomId: '${attribute(page.roomId)}'">`
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1, viewport-fit=cover">
<meta name="color-scheme" content="light dark">
<meta name="theme-color" media="(prefers-color-scheme: light)" content="#f6f7f9">
<meta name="theme-color" media="(prefers-color-scheme: dark)" content="#0c1117">
<meta name="robots" content="noindex">${room}
<title>${attribute(page.roomId ?? 'webrtc-stack')}</title>
<link rel="icon" href="${favicon.path}" type="image/svg+xml">
<link rel="manifest" href="${manifest.path}">
<link rel="stylesheet" href="${assetPath(style)}">${chunks.map((chunk) => `\n<link rel="modulepreload" href="${assetPath(chunk)}">`).join('')}
<script type="application/json" id="page">${jsonInHtml(data)}</script>
<script type="module" src="${assetPath(script)}"></script>
</head>
<body>
<div id="app"></div>
<noscript>This page needs JavaScript. 此页面需要启用 JavaScript。</noscript>
</body>
</html>
`
}

/** JSON that no HTML parser and no old script parser can take for anything else. */
export function jsonInHtml(value: unknown): string {
  return JSON.stringify(value).replace(
    /[<>&\u2028\u2029]/g,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  )
}

/** The Content-Security-Policy of a page: own files only, nothing inline, connections to the announced hosts alone. */
export function contentSecurityPolicy(context: ContentSecurityContext): string {
  const connect = new Set(["'self'"])
  for (const url of context.connectSources) {
    const source = origin(url)
    if (source !== null) connect.add(source)
  }
  return [
    "default-src 'none'",
    "script-src 'self'",
    "style-src 'self'",
    "img-src 'self' data:",
    "media-src 'self' blob:",
    "manifest-src 'self'",
    `connect-src ${[...connect].join(' ')}`,
    "base-uri 'none'",
    "form-action 'self'",
    `frame-ancestors ${context.frameAncestors}`,
  ].join('; ')
}

/** The call page, as the routes serve it. */
export const callPages: CallPages = { renderPage, contentSecurityPolicy, assets: pageAssets }

/** The origin of an http(s) or ws(s) URL in CSP's spelling, or null: a bad URL must not be able to add a directive. */
function origin(url: string): string | null {
  if (!URL.canParse(url)) return null
  const { protocol, host } = new URL(url)
  if (!/^(https?|wss?):$/.test(protocol) || /[^\w.:[\]-]/.test(host)) return null
  return `${protocol}//${host}`
}

/** Kept as it is nearly always asked for; who takes no compression waits a moment. */
function compressed({ name, br, gzip }: (typeof files)[number]): [string, PageAsset] {
  const encoded = { br: Buffer.from(br, 'base64'), gzip: Buffer.from(gzip, 'base64') }
  const asset = {
    contentType: name.endsWith('.css') ? 'text/css; charset=utf-8' : 'text/javascript; charset=utf-8',
    encoded,
    get body() {
      return brotliDecompressSync(encoded.br).toString()
    },
  }
  return [assetPath(name), asset]
}

/** Names of files carry a hash of their content. */
function assetPath(name: string): string {
  return `/assets/${name}`
}

function hashed(name: string, extension: string, body: string): { path: string; body: string } {
  const hash = createHash('sha256').update(body).digest('base64url').slice(0, 12)
  return { path: assetPath(`${name}.${hash}.${extension}`), body }
}

function asset(file: { path: string; body: string }, contentType: string): [string, PageAsset] {
  return [file.path, { contentType, body: file.body, encoded: null }]
}

function attribute(text: string): string {
  return text.replace(/[&<>"\u2028\u2029]/g, (character) => `&#${character.charCodeAt(0)};`)
}
