import { filterByTransport } from '../../web/link/ice-servers.ts'
import type { Visitor } from '../caller/caller.ts'
import type { HttpOptions, IceServer } from '../options.ts'
import { type Announced, announce, type Place } from './announced.ts'
import { type MediaConstraints, mediaConstraints } from './media-constraints.ts'
import type { PageParameters } from './page-parameters.ts'

/**
 * The parameter object of every client generation in one. Booleans are strings and objects are strings of JSON, because
 * that is how the apps read them; a missing `turn_url` or `ice_server_url` ends their calls.
 */
interface Parameters {
  readonly header_message: string | null
  readonly error_messages: readonly string[]
  readonly warning_messages: readonly string[]
  readonly is_loopback: 'true' | 'false'
  readonly pc_config: string
  readonly pc_constraints: string
  readonly offer_constraints: string
  readonly offer_options: string
  readonly media_constraints: string
  readonly turn_url: string
  readonly turn_transports: string
  readonly turn_server_override: readonly IceServer[]
  readonly ice_server_url: string
  readonly ice_server_transports: string
  readonly include_loopback_js: string
  readonly wss_url: string
  readonly wss_post_url: string
  readonly bypass_join_confirmation: 'true' | 'false'
  readonly version_info: string
}

/** What a query, the visitor and the configuration add up to. */
export interface Described {
  readonly parameters: Parameters
  readonly announced: Announced
  readonly loopback: boolean
  readonly media: MediaConstraints
}

/** Describes a call; `place` is whom the join answer is for, null for anybody. */
export function describe(
  query: URLSearchParams,
  userAgent: string,
  visitor: Visitor,
  place: Place | null,
  options: HttpOptions,
): Described {
  const announced = announce(query, visitor, place, options)
  const media = mediaConstraints(query, userAgent)
  const loopback = query.get('debug') === 'loopback'
  const transports = query.get('tt') ?? ''
  const configured = place === null && options.iceConfigNeedsRoom ? [] : (options.iceServerOverride ?? [])
  const fixedServers = filterByTransport(configured, transports)
  const parameters: Parameters = {
    header_message: options.headerMessage,
    error_messages: [],
    warning_messages: media.warnings,
    is_loopback: loopback ? 'true' : 'false',
    pc_config: JSON.stringify(peerConnectionConfig(query, fixedServers, options)),
    pc_constraints: JSON.stringify(peerConnectionConstraints(query, loopback)),
    offer_constraints: JSON.stringify({ mandatory: {}, optional: [] }),
    offer_options: '{}',
    media_constraints: JSON.stringify(media.constraints),
    turn_url: announced.turnUrl,
    turn_transports: transports,
    turn_server_override: fixedServers,
    ice_server_url: announced.iceServerUrl,
    ice_server_transports: transports,
    include_loopback_js: loopback ? '<script src="/js/loopback.js"></script>' : '',
    wss_url: announced.wssUrl,
    wss_post_url: announced.wssPostUrl,
    bypass_join_confirmation: options.bypassJoinConfirmation ? 'true' : 'false',
    version_info: 'null',
  }
  return { parameters, announced, loopback, media: media.constraints }
}

/** The same for our own page, decoded. */
export function pageParameters(described: Described, room: { id: string; link: string } | null): PageParameters {
  const { parameters, media } = described
  return {
    headerMessage: parameters.header_message,
    errorMessages: parameters.error_messages,
    warningMessages: parameters.warning_messages,
    isLoopback: described.loopback,
    ...(room ? { roomId: room.id, roomLink: room.link } : {}),
    mediaConstraints: media,
    offerOptions: {},
    peerConnectionConfig: JSON.parse(parameters.pc_config),
    peerConnectionConstraints: JSON.parse(parameters.pc_constraints),
    iceServerRequestUrl: parameters.ice_server_url,
    iceServerTransports: parameters.ice_server_transports,
    wssUrl: parameters.wss_url,
    wssPostUrl: parameters.wss_post_url,
    bypassJoinConfirmation: parameters.bypass_join_confirmation === 'true',
  }
}

/**
 * The link to a room with all arguments of this request. The original escaped them for HTML instead of for URLs, which
 * changes what they say; only `url-overrides=compat` still does that.
 */
export function roomLink(room: string, query: URLSearchParams, origin: string, options: HttpOptions): string {
  const args = new Map([...query.keys()].map((name) => [name, query.get(name) ?? '']))
  const base = query.get('wstls') === 'true' ? origin.replace(/^http:/, 'https:') : origin
  if (args.size === 0) return `${base}/r/${room}`
  const text =
    options.urlOverrides === 'compat'
      ? [...args].map(([name, value]) => `${escapeHtml(name)}=${escapeHtml(value)}`).join('&')
      : new URLSearchParams([...args]).toString()
  return `${base}/r/${room}?${text}`
}

// Android reads `urls` here as one string and knows no password, and the web page asks the provider only when the list is
// empty: so fixed servers are in the ICE document alone, except in compat.
function peerConnectionConfig(
  query: URLSearchParams,
  fixedServers: readonly IceServer[],
  options: HttpOptions,
): object {
  const iceServers = options.urlOverrides === 'compat' ? fixedServers : []
  const transports = query.get('it')
  const config = { iceServers, bundlePolicy: 'max-bundle', rtcpMuxPolicy: 'require' }
  if (!transports) return config
  // Browsers read `iceTransports` no more, and throw at a policy that is neither of these.
  const policy = transports === 'relay' || transports === 'all' ? { iceTransportPolicy: transports } : {}
  return { ...config, iceTransports: transports, ...policy }
}

function peerConnectionConstraints(query: URLSearchParams, loopback: boolean): object {
  const flags = [
    ['DtlsSrtpKeyAgreement', loopback ? 'false' : query.get('dtls')],
    ['googDscp', query.get('dscp')],
    ['googIPv6', query.get('ipv6')],
  ] as const
  const optional = flags
    .map(([name, value]) => [name, value?.toLowerCase()] as const)
    .filter(([, value]) => value === 'true' || value === 'false')
    .map(([name, value]) => ({ [name]: value === 'true' }))
  return { optional }
}

function escapeHtml(text: string): string {
  return text.replace(/&/g, '&amp;').replace(/</g, '&lt;').replace(/>/g, '&gt;').replace(/"/g, '&quot;')
}
