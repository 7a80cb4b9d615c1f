import { useEffect, useRef } from 'preact/hooks'
import { t } from '../text/i18n.ts'

/** How loud the microphone hears us. */
export function LevelMeter({ track }: { track: MediaStreamTrack | null }) {
  const bar = useRef<HTMLMeterElement>(null)
  useEffect(() => {
    if (track === null) return
    const context = new AudioContext()
    const analyser = context.createAnalyser()
    analyser.fftSize = 512
    const source = context.createMediaStreamSource(new MediaStream([track]))
    source.connect(analyser)
    const samples = new Float32Array(analyser.fftSize)
    let level = 0
    const timer = setInterval(() => {
      analyser.getFloatTimeDomainData(samples)
      const power = samples.reduce((sum, sample) => sum + sample * sample, 0) / samples.length
      // Ears are logarithmic: -60 dB is silence, -10 dB is a loud voice. Falls slowly, so that syllables don't flicker.
      level = Math.max(level * 0.8, Math.min(1, Math.max(0, (10 * Math.log10(power + 1e-9) + 60) / 50)))
      if (bar.current !== null) bar.current.value = level
    }, 66)
    return () => {
      clearInterval(timer)
      source.disconnect()
      void context.close()
    }
  }, [track])
  return <meter ref={bar} class="level" min={0} max={1} value={0} aria-label={t('microphoneLevel')} />
}
