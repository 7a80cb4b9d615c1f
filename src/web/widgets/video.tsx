import { useEffect, useRef } from 'preact/hooks'

interface VideoProps {
  readonly stream: MediaStream | null
  readonly label: string
  readonly class: string
  readonly muted?: boolean
  /** Id of the loudspeaker; '' is the browser's choice. */
  readonly speaker?: string
  /** The browser wants a click before it plays sound. */
  readonly onBlocked?: (play: () => void) => void
}

/** A video element that follows a stream. */
export function Video({ stream, label, class: className, muted = false, speaker = '', onBlocked }: VideoProps) {
  const element = useRef<HTMLVideoElement>(null)
  useEffect(() => {
    const video = element.current!
    // The attribute alone is not enough: some browsers read only the property before they allow playing by itself.
    video.muted = muted
    video.srcObject = stream
    if (stream === null) return
    video.play().catch((error: DOMException) => {
      if (error.name === 'NotAllowedError') onBlocked?.(() => void video.play())
    })
  }, [stream])
  useEffect(() => {
    const video = element.current!
    // A loudspeaker that is gone leaves the sound where it is.
    if ((video.sinkId ?? '') !== speaker) video.setSinkId?.(speaker).catch(() => undefined)
  }, [speaker])
  return <video ref={element} class={className} aria-label={label} autoplay playsInline muted={muted} />
}
