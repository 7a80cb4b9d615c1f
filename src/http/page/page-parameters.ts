/**
 * What a page's script is told: the values of the AppRTC parameter object under the names its page always used. Strings
 * that hold JSON are decoded already; `roomServer` is absent because the API has the page's own origin.
 */
export interface PageParameters {
  readonly headerMessage: string | null
  readonly errorMessages: readonly string[]
  readonly warningMessages: readonly string[]
  readonly isLoopback: boolean
  /** Absent on the landing page. */
  readonly roomId?: string
  readonly roomLink?: string
  readonly mediaConstraints: unknown
  readonly offerOptions: unknown
  readonly peerConnectionConfig: unknown
  readonly peerConnectionConstraints: unknown
  /** Where to POST for ICE servers; '' when nobody is to be asked. */
  readonly iceServerRequestUrl: string
  /** `udp`, `tcp` or '': the page keeps only URLs with that transport. */
  readonly iceServerTransports: string
  readonly wssUrl: string
  readonly wssPostUrl: string
  readonly bypassJoinConfirmation: boolean
}

export type PageView = 'home' | 'call' | 'full'

/** What a page's Content-Security-Policy depends on. */
export interface ContentSecurityContext {
  /** Origins besides 'self' that the page's scripts may connect to (the hub, the ICE server provider). */
  readonly connectSources: readonly string[]
  /** Source list for `frame-ancestors`. */
  readonly frameAncestors: string
}

export interface PageAsset {
  readonly contentType: string
  readonly body: string
  /** The same compressed; null for what is too small for it. */
  readonly encoded: Readonly<Record<'br' | 'gzip', Buffer>> | null
}

/** The call page as the routes need it: http/page.ts is one. */
export interface CallPages {
  renderPage(view: PageView, page: PageParameters): string
  contentSecurityPolicy(context: ContentSecurityContext): string
  /** By path, such as `/assets/call.0a1b2c3d.js`; a path always means the same bytes. */
  readonly assets: ReadonlyMap<string, PageAsset>
}
