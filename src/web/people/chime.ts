/** What is heard when somebody comes, goes or writes: notes in Hz, one after the other. */
export const chimes = { came: [523, 784], left: [659, 440], wrote: [880] } as const

const noteSeconds = 0.13
let context: AudioContext | null = null

/** Plays it, quietly. Says nothing where the browser wants a click of the person first. */
export function play(chime: keyof typeof chimes): void {
  context ??= new AudioContext()
  if (context.state !== 'running') return void context.resume()
  const volume = context.createGain()
  volume.connect(context.destination)
  const start = context.currentTime + 0.02
  const notes = chimes[chime]
  for (const [index, frequency] of notes.entries()) {
    const note = context.createOscillator()
    note.frequency.value = frequency
    note.connect(volume)
    note.start(start + index * noteSeconds)
    note.stop(start + (index + 1) * noteSeconds)
  }
  // Without a rise and a fall there would be clicks.
  const end = start + notes.length * noteSeconds
  volume.gain.setValueAtTime(0, start)
  volume.gain.linearRampToValueAtTime(0.08, start + 0.02)
  volume.gain.setValueAtTime(0.08, end - 0.05)
  volume.gain.linearRampToValueAtTime(0, end)
}
