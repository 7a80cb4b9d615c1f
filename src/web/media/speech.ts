import { effect, type ReadonlySignal, signal } from '@preact/signals'
import { watchLevel } from './level.ts'

/** As loud as somebody who speaks to the screen, and not as a keyboard. */
const loud = 0.5
/** This many loud looks of the last ten are speech. */
const enough = 3
const everyMs = 100
/** How long it is shown after the last word. */
const shownMs = 4000

/**
 * Whether a person speaks who is not heard, because the microphone is muted. A muted track is silent to everybody, so a copy of
 * it listens; what it hears stays here.
 */
export function speechWhile(
  muted: ReadonlySignal<boolean>,
  microphone: ReadonlySignal<MediaStreamTrack | null>,
): ReadonlySignal<boolean> {
  const speaks = signal(false)
  effect(() => {
    const track = microphone.value
    if (track === null || !muted.value) return
    const copy = track.clone()
    copy.enabled = true
    const looks: boolean[] = []
    let hide: ReturnType<typeof setTimeout> | undefined
    const stop = watchLevel(copy, everyMs, (level) => {
      looks.push(level >= loud)
      if (looks.length > 10) looks.shift()
      if (looks.filter(Boolean).length < enough) return
      speaks.value = true
      clearTimeout(hide)
      hide = setTimeout(() => {
        speaks.value = false
      }, shownMs)
    })
    return () => {
      stop()
      copy.stop()
      clearTimeout(hide)
      speaks.value = false
    }
  })
  return speaks
}
