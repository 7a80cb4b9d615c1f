import { type Signal, signal } from '@preact/signals'

/** What Chromium takes beside the standard's options; others pass it over. */
interface DisplayOptions extends Omit<DisplayMediaStreamOptions, 'audio'> {
  readonly audio: { readonly restrictOwnAudio: true }
  readonly systemAudio: 'include'
  readonly surfaceSwitching: 'include'
}

/** Our screen, with its sound where the browser gives it. */
export class SharedScreen {
  readonly picture: Signal<MediaStreamTrack | null> = signal(null)
  readonly sound: Signal<MediaStreamTrack | null> = signal(null)

  /** Asks the person which screen. Throws what the browser throws. */
  async start(): Promise<void> {
    this.stop()
    const options: DisplayOptions = {
      video: true,
      // Not the other side's own voice, which the computer plays.
      audio: { restrictOwnAudio: true },
      systemAudio: 'include',
      surfaceSwitching: 'include',
    }
    const stream = await navigator.mediaDevices.getDisplayMedia(options as DisplayMediaStreamOptions)
    const picture = stream.getVideoTracks()[0]!
    picture.contentHint = 'detail'
    picture.onended = () => {
      if (this.picture.value === picture) this.stop()
    }
    this.picture.value = picture
    this.sound.value = stream.getAudioTracks()[0] ?? null
  }

  stop(): void {
    for (const holder of [this.picture, this.sound]) {
      holder.value?.stop()
      holder.value = null
    }
  }
}
