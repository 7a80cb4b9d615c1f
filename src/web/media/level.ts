/** Tells how loud a track is, from 0 to 1, every so often, until what it returns is called. */
export function watchLevel(track: MediaStreamTrack, everyMs: number, tell: (level: number) => void): () => void {
  const context = new AudioContext()
  const analyser = context.createAnalyser()
  // 43 ms: syllables are heard between two looks of 100 ms.
  analyser.fftSize = 2048
  const source = context.createMediaStreamSource(new MediaStream([track]))
  source.connect(analyser)
  const samples = new Float32Array(analyser.fftSize)
  const timer = setInterval(() => {
    analyser.getFloatTimeDomainData(samples)
    const power = samples.reduce((sum, sample) => sum + sample * sample, 0) / samples.length
    // Ears are logarithmic: -60 dB is silence, -10 dB is a loud voice.
    tell(Math.min(1, Math.max(0, (10 * Math.log10(power + 1e-9) + 60) / 50)))
  }, everyMs)
  return () => {
    clearInterval(timer)
    source.disconnect()
    void context.close()
  }
}
