/**
 * Reads what an ICE server address answered: `iceServers` (shape B), or `uris` with one username and password (shape A, what
 * the old `/turn` scripts give).
 */
export function parseIceServers(document: unknown): RTCIceServer[] {
  if (typeof document !== 'object' || document === null) return []
  const { iceServers, uris, username, password } = document as Record<string, unknown>
  if (Array.isArray(iceServers)) return iceServers.flatMap(iceServer)
  return iceServer({ urls: uris, username, credential: password })
}

/**
 * Keeps the TURN addresses of one transport, as AppRTC's `tt` asks: `udp`, `tcp`, or `tls` for `turns:` alone. A TURN address
 * that names no transport gets it appended. STUN addresses have none, and browsers refuse one that does. Servers without
 * addresses are dropped.
 */
export function filterByTransport<Server extends { readonly urls: string | readonly string[] }>(
  servers: readonly Server[],
  transport: string,
): (Server & { readonly urls: string[] })[] {
  return servers.flatMap((server) => {
    const all = [server.urls].flat()
    const urls = transport === '' ? all : all.flatMap((url) => withTransport(url, transport))
    return urls.length > 0 ? [{ ...server, urls }] : []
  })
}

function withTransport(url: string, transport: string): string[] {
  if (!/^turns?:/i.test(url)) return []
  const secure = /^turns:/i.test(url)
  if (transport === 'tls') return secure ? [url] : []
  // TLS runs over TCP, but who asks for `tcp` wants to see plain TCP and not the encrypted port.
  if (secure) return []
  const named = /[?&]transport=([^&]*)/.exec(url)
  if (named !== null) return named[1] === transport ? [url] : []
  return /^(udp|tcp)$/.test(transport) ? [`${url}${url.includes('?') ? '&' : '?'}transport=${transport}`] : []
}

/** An entry without addresses makes browsers refuse the whole configuration, so it counts as none. */
function iceServer(entry: unknown): RTCIceServer[] {
  if (typeof entry !== 'object' || entry === null) return []
  const { urls, url, username, credential } = entry as Record<string, unknown>
  const list = [urls ?? url].flat().filter((item) => typeof item === 'string' && item !== '') as string[]
  if (list.length === 0) return []
  if (typeof username !== 'string' || typeof credential !== 'string') return [{ urls: list }]
  return [{ urls: list, username, credential }]
}
