import './level-meter.css'
import { useEffect, useRef } from 'preact/hooks'
import { watchLevel } from '../media/level.ts'
import { t } from '../text/i18n.ts'

/** How loud the microphone hears us. */
export function LevelMeter({ track }: { track: MediaStreamTrack | null }) {
  const bar = useRef<HTMLMeterElement>(null)
  useEffect(() => {
    if (track === null) return
    let shown = 0
    return watchLevel(track, 66, (level) => {
      // Falls slowly, so that syllables don't flicker.
      shown = Math.max(shown * 0.8, level)
      if (bar.current !== null) bar.current.value = shown
    })
  }, [track])
  return <meter ref={bar} class="level" min={0} max={1} value={0} aria-label={t('microphoneLevel')} />
}
