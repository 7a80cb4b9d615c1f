/** How our picture is to be sent. */
export interface Sending {
  readonly dataUse: 'high' | 'medium' | 'low' | 'sound'
  /** A shared screen, whose letters must stay sharp. */
  readonly screen: boolean
}

interface Limits {
  readonly height: number
  readonly framerate: number
  readonly bitrate: number
}

/** What a picture may cost at most; without limits the browser decides. */
const limits: Readonly<Record<'medium' | 'low', Limits>> = {
  medium: { height: 360, framerate: 24, bitrate: 500_000 },
  low: { height: 180, framerate: 15, bitrate: 150_000 },
}

/** A screen is not made smaller, but shown more rarely. */
const screenFramerates = { high: 30, medium: 8, low: 4 } as const

/** Of an encoding, the part that depends on what is wanted; undefined lifts a limit. */
export interface Encoding {
  readonly active: boolean
  readonly maxBitrate: number | undefined
  readonly maxFramerate: number | undefined
  readonly scaleResolutionDownBy: number
}

/** The encoding for a picture of this height; `watched` is whether the other side wants to see it at all. */
export function encodingFor({ dataUse, screen }: Sending, watched: boolean, height: number | undefined): Encoding {
  const active = watched && (dataUse !== 'sound' || screen)
  const none = { active, maxBitrate: undefined, maxFramerate: undefined, scaleResolutionDownBy: 1 }
  if (dataUse === 'high') return none
  if (dataUse === 'sound' || screen)
    return { ...none, maxFramerate: screenFramerates[dataUse === 'sound' ? 'low' : dataUse] }
  const limit = limits[dataUse]
  return {
    active,
    maxBitrate: limit.bitrate,
    maxFramerate: limit.framerate,
    scaleResolutionDownBy: Math.max(1, (height ?? 720) / limit.height),
  }
}
