/** What to ask the browser for; false where the link says the call has no sound or no picture. */
export interface Wanted {
  readonly audio: MediaTrackConstraints | false
  readonly video: MediaTrackConstraints | false
}

type Pairs = Readonly<Record<string, string>>

const defaultVideo: MediaTrackConstraints = { width: { ideal: 1280 }, height: { ideal: 720 }, facingMode: 'user' }

/**
 * Turns AppRTC's media constraints (in the browsers' old mandatory/optional grammar) into what browsers take today.
 * Constraints that no longer exist are dropped. A link with `stereo=true` wants two channels of the microphone.
 */
export function wantedMedia(mediaConstraints: unknown, search = ''): Wanted {
  const { audio, video } = (mediaConstraints ?? {}) as { audio?: unknown; video?: unknown }
  const stereo = new URLSearchParams(search).get('stereo')?.toLowerCase() === 'true'
  return {
    audio: audio === false ? false : { ...legacy(audio), ...(stereo ? { channelCount: { ideal: 2 } } : {}) },
    video: video === false ? false : { ...defaultVideo, ...legacy(video) },
  }
}

function legacy(old: unknown): MediaTrackConstraints {
  if (typeof old !== 'object' || old === null) return {}
  const { mandatory = {}, optional = [] } = old as { mandatory?: Pairs; optional?: Pairs[] }
  const wanted: Record<string, Record<string, number> | boolean> = {}
  const wishes = optional
    .flatMap((pairs) => Object.entries(pairs))
    .map(([name, value]) => [name, value, 'ideal'] as const)
  const demands = Object.entries(mandatory).map(([name, value]) => [name, value, null] as const)
  for (const [name, value, ideal] of [...wishes, ...demands]) {
    const bound = /^(min|max)(Width|Height|FrameRate)$/.exec(name)
    if (bound !== null && Number.isFinite(Number(value))) {
      const size = `${bound[2]!.charAt(0).toLowerCase()}${bound[2]!.slice(1)}`
      wanted[size] = { ...(wanted[size] as Record<string, number> | undefined), [ideal ?? bound[1]!]: Number(value) }
    } else if (/^(echoCancellation|noiseSuppression|autoGainControl)$/.test(name)) {
      wanted[name] = value === 'true'
    }
  }
  return wanted
}
