import { computed, effect, type ReadonlySignal, type Signal, signal } from '@preact/signals'
import { type DataUse, settings } from '../settings.ts'
import type { Wanted } from './constraints.ts'
import { type DeviceKind, Devices } from './devices.ts'
import { nameOf, reasonOf, troubleOf } from './media-error.ts'
import { mix } from './mixer.ts'
import { SharedScreen } from './screen.ts'
import { speechWhile } from './speech.ts'

export type MediaStatus =
  | 'checking'
  | 'ready'
  | 'refused'
  | 'insecure'
  | 'noCamera'
  | 'noMicrophone'
  | 'noDevices'
  | 'cameraInUse'
  | 'microphoneInUse'
  | 'mediaFailed'

type Kind = 'audio' | 'video'
type Failure = 'cameraFailed' | 'microphoneFailed' | 'screenFailed'

/** What the browser can do to the microphone's sound. */
export const processing = ['echoCancellation', 'noiseSuppression', 'autoGainControl'] as const

/** How long black frames are sent before a camera is let go, so that the other side isn't left with a frozen picture. */
const blackoutMs = 300

/** Our own camera, microphone and screen, and the loudspeaker that plays the others. */
export class LocalMedia {
  readonly devices = new Devices()
  readonly status = signal<MediaStatus>('checking')
  /** The browser's words when status is `mediaFailed`. */
  readonly reason = signal('')
  readonly microphone = signal<MediaStreamTrack | null>(null)
  readonly camera = signal<MediaStreamTrack | null>(null)
  readonly screen: Signal<MediaStreamTrack | null>
  readonly muted = signal(false)
  /** Nothing is heard of us: muted, or there is no microphone. */
  readonly silent = computed(() => this.muted.value || this.microphone.value === null)
  /** The person speaks and is muted. */
  readonly unheard: ReadonlySignal<boolean>
  readonly cameraOn = signal(false)
  /** What the other side gets to see. */
  readonly picture = computed(() => this.screen.value ?? this.camera.value)
  /** What the other side gets to hear: the microphone, with the sound of a shared screen. */
  readonly sound: Signal<MediaStreamTrack | null> = signal(null)
  /** The loudspeaker's id; '' is the browser's choice. */
  readonly speaker = signal(settings.get('speaker') ?? '')
  readonly dataUse: Signal<DataUse> = signal(settings.get('dataUse'))
  readonly pushToTalk = signal(settings.get('pushToTalk'))
  readonly sending = computed(() => ({ dataUse: this.dataUse.value, screen: this.screen.value !== null }))
  /** What the other side is told about our devices. */
  readonly presence = computed(() => ({
    microphone: !this.silent.value,
    camera: this.cameraOn.value,
    screen: this.screen.value !== null,
    watching: this.dataUse.value !== 'sound',
  }))
  /** Why the last change of a device or the screen did not work. */
  readonly problem = signal<{ readonly what: Failure; readonly reason: string } | null>(null)
  readonly #shared = new SharedScreen()
  readonly #wanted: Wanted
  #closed = true
  #cameraWanted = settings.get('dataUse') !== 'sound'
  /** Which open() is the current one: an answer to an earlier permission question no longer counts. */
  #opening = 0

  constructor(wanted: Wanted) {
    this.#wanted = wanted
    this.screen = this.#shared.picture
    this.unheard = speechWhile(this.muted, this.microphone)
    this.muted.value = this.pushToTalk.value
    effect(() => {
      const microphone = this.microphone.value
      const shared = this.#shared.sound.value
      if (shared === null) {
        this.sound.value = microphone
        return
      }
      const mixed = mix(microphone === null ? [shared] : [microphone, shared])
      this.sound.value = mixed.track
      return mixed.close
    })
  }

  /** Opens camera and microphone, or as much of both as there is, and says in `status` what is wrong. */
  async open(kinds: readonly Kind[] = ['audio', 'video']): Promise<void> {
    this.close()
    this.#closed = false
    const opening = this.#opening
    this.status.value = 'checking'
    if (navigator.mediaDevices?.getUserMedia === undefined) {
      this.status.value = window.isSecureContext ? 'noDevices' : 'insecure'
      return
    }
    const wanted = kinds.filter((kind) => this.#wanted[kind] !== false)
    const status = wanted.length === 0 ? 'ready' : await this.#openSome(wanted)
    if (opening !== this.#opening) return
    this.status.value = status
    await this.devices.list()
  }

  /** Before the first open(): as it was in the call that a reload has interrupted. */
  restore({ camera, muted }: { readonly camera: boolean; readonly muted: boolean }): void {
    this.#cameraWanted = camera
    this.muted.value = muted
  }

  /** After close(): what was open before. */
  async reopen(): Promise<void> {
    if (this.#closed) await this.open(this.#cameraWanted ? ['audio', 'video'] : ['audio'])
  }

  /** The id of the device in use; null when there is none. */
  chosen(kind: DeviceKind): string | null {
    if (kind === 'speaker') return this.speaker.value || null
    return this[kind].value?.getSettings().deviceId ?? null
  }

  /** Takes another device of the same kind and remembers it. */
  async choose(kind: DeviceKind, deviceId: string): Promise<void> {
    settings.set(kind, deviceId)
    if (kind === 'speaker') this.speaker.value = deviceId
    else await this.#again(kind === 'microphone' ? 'audio' : 'video')
  }

  /** Takes a headset that was plugged in: its microphone, and what of it is a loudspeaker. */
  async takePlugged(): Promise<void> {
    const device = this.devices.plugged.value
    this.devices.plugged.value = null
    if (device === null) return
    const speaker = this.devices.speaker.value.find(({ groupId }) => groupId !== '' && groupId === device.groupId)
    if (speaker !== undefined) await this.choose('speaker', speaker.deviceId)
    await this.choose('microphone', device.deviceId)
  }

  /** Switches what the browser does to the microphone's sound. Browsers don't change it on a track that runs. */
  async setProcessing(name: (typeof processing)[number], on: boolean): Promise<void> {
    settings.set(name, on)
    if (this.microphone.value !== null) await this.#again('audio')
  }

  setMuted(muted: boolean): void {
    this.muted.value = muted
    if (this.microphone.value !== null) this.microphone.value.enabled = !muted
  }

  /** Muted from now on, but for as long as a key is held. */
  setPushToTalk(on: boolean): void {
    settings.set('pushToTalk', on)
    this.pushToTalk.value = on
    this.setMuted(on)
  }

  /** How much of our picture is sent; sound alone also lets the camera go, and takes it again afterwards. */
  async setDataUse(dataUse: DataUse): Promise<void> {
    const before = this.dataUse.value
    settings.set('dataUse', dataUse)
    this.dataUse.value = dataUse
    if (dataUse === 'sound' && before !== 'sound') {
      this.#cameraWanted = this.cameraOn.value
      await this.setCamera(false)
    } else if (before === 'sound' && dataUse !== 'sound' && this.#cameraWanted) await this.setCamera(true)
  }

  /** Off lets the device go, so that its light goes out too. */
  async setCamera(on: boolean): Promise<void> {
    this.problem.value = null
    // Who wants to be seen does not want sound alone.
    if (on && this.dataUse.value === 'sound') {
      settings.set('dataUse', 'high')
      this.dataUse.value = 'high'
    }
    this.cameraOn.value = on
    const track = this.camera.value
    if (on && track === null)
      return this.#open(['video']).catch((error: unknown) => this.#report('cameraFailed', error))
    if (track === null) return
    if (on) {
      track.enabled = true
      return
    }
    track.enabled = false
    await new Promise((resolve) => setTimeout(resolve, blackoutMs))
    if (this.camera.value === track && !this.cameraOn.value) this.#stop('video')
  }

  /** Shares a screen, or ends sharing. A person who closes the browser's picker has simply changed their mind. */
  async setScreen(on: boolean): Promise<void> {
    this.problem.value = null
    if (!on) return this.#shared.stop()
    try {
      await this.#shared.start()
    } catch (error) {
      if (nameOf(error) !== 'NotAllowedError') this.#report('screenFailed', error)
    }
  }

  /** Lets go of every device. */
  close(): void {
    this.#opening++
    if (!this.#closed && this.dataUse.value !== 'sound') this.#cameraWanted = this.cameraOn.value
    this.#closed = true
    this.#stop('audio')
    this.#stop('video')
    this.#shared.stop()
  }

  async #openSome(kinds: readonly Kind[]): Promise<MediaStatus> {
    try {
      await this.#open(kinds)
      return 'ready'
    } catch (error) {
      const trouble = troubleOf(error)
      if (trouble === 'refused' || trouble === 'failed') {
        this.reason.value = reasonOf(error)
        return trouble === 'refused' ? 'refused' : 'mediaFailed'
      }
      const missing = trouble === 'missing'
      if (kinds.length === 2 && (await this.#works('audio'))) return missing ? 'noCamera' : 'cameraInUse'
      if (kinds.length === 2 && (await this.#works('video'))) return missing ? 'noMicrophone' : 'microphoneInUse'
      if (kinds[0] === 'audio' && kinds.length === 1) return missing ? 'noMicrophone' : 'microphoneInUse'
      return missing ? 'noDevices' : 'cameraInUse'
    }
  }

  async #works(kind: Kind): Promise<boolean> {
    try {
      await this.#open([kind])
      return true
    } catch {
      return false
    }
  }

  /** Opens the device that is wanted now. The old one is let go first: some computers have only one of a kind open. */
  async #again(kind: Kind): Promise<void> {
    this.problem.value = null
    this.#stop(kind)
    await this.#open([kind]).catch((error: unknown) =>
      this.#report(kind === 'audio' ? 'microphoneFailed' : 'cameraFailed', error),
    )
  }

  async #open(kinds: readonly Kind[]): Promise<void> {
    const opening = this.#opening
    const stream = await this.#stream(kinds)
    if (opening !== this.#opening) {
      for (const track of stream.getTracks()) track.stop()
      return
    }
    for (const track of stream.getTracks()) {
      const kind = track.kind as Kind
      const holder = kind === 'audio' ? this.microphone : this.camera
      // Unplugged: the call goes on with another one, if there is any.
      track.onended = () => {
        if (holder.value === track) void this.#again(kind)
      }
      if (kind === 'audio') track.enabled = !this.muted.value
      else this.cameraOn.value = true
      // Two who ask at once get two tracks.
      holder.value?.stop()
      holder.value = track
    }
  }

  /** From the chosen devices; a device that is gone must not make the call impossible. */
  async #stream(kinds: readonly Kind[]): Promise<MediaStream> {
    const { mediaDevices } = navigator
    const chosen = (kind: Kind) => settings.get(kind === 'audio' ? 'microphone' : 'camera')
    const constraints = kinds.map((kind) => [kind, this.#constraints(kind)] as const)
    // Chromium passes over an `ideal` device.
    const exact = constraints.map(([kind, others]) => {
      const deviceId = chosen(kind)
      return [kind, deviceId === null ? others : { ...others, deviceId: { exact: deviceId } }] as const
    })
    try {
      return await mediaDevices.getUserMedia(Object.fromEntries(exact))
    } catch (error) {
      if (troubleOf(error) !== 'missing' || kinds.every((kind) => chosen(kind) === null)) throw error
      return mediaDevices.getUserMedia(Object.fromEntries(constraints))
    }
  }

  #constraints(kind: Kind): MediaTrackConstraints {
    const sound = kind === 'audio' ? Object.fromEntries(processing.map((name) => [name, settings.get(name)])) : {}
    return { ...sound, ...(this.#wanted[kind] || {}) }
  }

  #stop(kind: Kind): void {
    const holder = kind === 'audio' ? this.microphone : this.camera
    const track = holder.value
    holder.value = null
    if (kind === 'video') this.cameraOn.value = false
    track?.stop()
  }

  #report(what: Failure, error: unknown): void {
    if (what === 'cameraFailed') this.cameraOn.value = false
    this.problem.value = { what, reason: reasonOf(error) }
  }
}
