/** Which compressed form a client takes (RFC 9110 §12.5.3); null is none. */
export function acceptedEncoding(header: string | undefined): 'br' | 'gzip' | null {
  const qualities = new Map<string, number>()
  for (const item of (header ?? '').toLowerCase().split(',').slice(0, 32)) {
    const [coding = '', ...parameters] = item.split(';').map((part) => part.trim())
    const quality = parameters.find((parameter) => parameter.startsWith('q='))?.slice(2)
    qualities.set(coding, quality === undefined ? 1 : Number(quality) || 0)
  }
  const takes = (coding: 'br' | 'gzip') => (qualities.get(coding) ?? qualities.get('*') ?? 0) > 0
  return takes('br') ? 'br' : takes('gzip') ? 'gzip' : null
}
