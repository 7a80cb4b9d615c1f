/** getUserMedia constraints as the original's links describe them (`audio=`, `video=`). */
type TrackConstraints =
  | boolean
  | {
      readonly mandatory: Readonly<Record<string, string>>
      readonly optional: readonly Readonly<Record<string, string>>[]
    }

export interface MediaConstraints {
  readonly audio: TrackConstraints
  readonly video: TrackConstraints
  readonly fake?: true
}

/** `media_constraints` of a query, and what the user should be told about it. */
export function mediaConstraints(
  query: URLSearchParams,
  userAgent: string,
): { constraints: MediaConstraints; warnings: string[] } {
  const warnings: string[] = []
  const hd = query.get('hd') ?? ''
  let video = query.get('video') ?? ''
  if (hd && video) warnings.push(`The "hd" parameter has overridden video=${video}`)
  if (query.get('minre') || query.get('maxre'))
    warnings.push('The "minre" and "maxre" parameters are no longer supported. Use "video" instead.')
  if (hd.toLowerCase() === 'true') video = 'mandatory:minWidth=1280,mandatory:minHeight=720'
  else if (!hd && !video && userAgent.includes('Chrome') && !userAgent.includes('Android'))
    video = 'optional:minWidth=1280,optional:minHeight=720'
  const constraints = { audio: trackConstraints(query.get('audio') ?? ''), video: trackConstraints(video) }
  return { constraints: query.get('firefox_fake_device') ? { ...constraints, fake: true } : constraints, warnings }
}

/** `[mandatory:|optional:]KEY=VALUE,…`, `true`, `false` or nothing. */
function trackConstraints(text: string): TrackConstraints {
  if (text === '' || text.toLowerCase() === 'true') return true
  if (text.toLowerCase() === 'false') return false
  const mandatory: [string, string][] = []
  const optional: Record<string, string>[] = []
  for (const item of text.split(',')) {
    const [name = '', value, ...more] = item.split('=')
    if (value === undefined || more.length > 0) continue
    const [, prefix, key = ''] = /^(?:(mandatory|optional):)?(.*)$/s.exec(name) ?? []
    // fromEntries defines own properties, so that a key such as __proto__ is only a key.
    if (prefix === 'optional' || (prefix === undefined && key.startsWith('goog')))
      optional.push(Object.fromEntries([[key, value]]))
    else mandatory.push([key, value])
  }
  return { mandatory: Object.fromEntries(mandatory), optional }
}
