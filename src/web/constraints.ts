/** What to ask the browser for; false where the link says the call has no sound or no picture. */
export interface Wanted {
  readonly audio: MediaTrackConstraints | false
  readonly video: MediaTrackConstraints | false
}

const defaultVideo: MediaTrackConstraints = { width: { ideal: 1280 }, height: { ideal: 720 }, facingMode: 'user' }
const sizes = { width: 'width', height: 'height', frameRate: 'frameRate' } as const

/**
 * Turns AppRTC's `media_constraints` (JSON in the browsers' old mandatory/optional grammar, made from the link's `audio`,
 * `video` and `hd`) into what browsers take today. Constraints that no longer exist are dropped.
 */
export function wantedMedia(mediaConstraints: string): Wanted {
  let json: { audio?: unknown; video?: unknown } = {}
  try {
    json = JSON.parse(mediaConstraints) ?? {}
  } catch {
    // A call without special wishes is better than no call.
  }
  return {
    audio: json.audio === false ? false : legacy(json.audio),
    video: json.video === false ? false : { ...defaultVideo, ...legacy(json.video) },
  }
}

function legacy(old: unknown): MediaTrackConstraints {
  if (typeof old !== 'object' || old === null) return {}
  const { mandatory, optional } = old as { mandatory?: Record<string, string>; optional?: Record<string, string>[] }
  const wanted: Record<string, Record<string, number> | boolean> = {}
  for (const group of optional ?? []) add(wanted, group, 'ideal')
  add(wanted, mandatory ?? {}, 'required')
  return wanted
}

function add(
  wanted: Record<string, Record<string, number> | boolean>,
  group: Record<string, string>,
  as: 'ideal' | 'required',
): void {
  for (const [name, value] of Object.entries(group)) {
    const bound = /^(min|max)(Width|Height|FrameRate)$/.exec(name)
    if (bound !== null) {
      const key = `${bound[2]![0]!.toLowerCase()}${bound[2]!.slice(1)}` as keyof typeof sizes
      const number = Number(value)
      if (!Number.isFinite(number)) continue
      const range = { ...(wanted[sizes[key]] as Record<string, number> | undefined) }
      range[as === 'ideal' ? 'ideal' : bound[1]!] = number
      wanted[sizes[key]] = range
    } else if (/^(echoCancellation|noiseSuppression|autoGainControl)$/.test(name)) {
      wanted[name] = value === 'true'
    }
  }
}
