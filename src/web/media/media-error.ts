/** What a getUserMedia error means (Media Capture and Streams §10.3.1, and the names of older browsers). */
export function troubleOf(error: unknown): 'refused' | 'missing' | 'in-use' | 'failed' {
  switch (nameOf(error)) {
    case 'NotAllowedError':
    case 'PermissionDeniedError':
    case 'SecurityError':
      return 'refused'
    case 'NotFoundError':
    case 'DevicesNotFoundError':
    case 'OverconstrainedError':
      return 'missing'
    case 'NotReadableError':
    case 'TrackStartError':
    case 'AbortError':
      return 'in-use'
    default:
      return 'failed'
  }
}

/** The browser's own words for an error. */
export function reasonOf(error: unknown): string {
  return error instanceof Error || error instanceof DOMException ? error.message || error.name : String(error)
}

/** The standard's name of an error, such as `NotAllowedError`; '' for what has none. */
export function nameOf(error: unknown): string {
  return error instanceof Error || error instanceof DOMException ? error.name : ''
}
