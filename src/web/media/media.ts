import { computed, signal } from '@preact/signals'
import { settings } from '../settings.ts'
import type { Wanted } from './constraints.ts'

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

/** How long black frames are sent before a camera is let go, so that the other side isn't left with a frozen picture. */
const blackoutMs = 300

/** Our own camera, microphone and screen. */
export class LocalMedia {
  readonly status = signal<MediaStatus>('checking')
  /** The browser's words when status is `mediaFailed`. */
  readonly reason = signal('')
  readonly microphone = signal<MediaStreamTrack | null>(null)
  readonly camera = signal<MediaStreamTrack | null>(null)
  readonly screen = signal<MediaStreamTrack | null>(null)
  readonly muted = signal(false)
  /** Nothing is heard of us: muted, or there is no microphone. */
  readonly silent = computed(() => this.muted.value || this.microphone.value === null)
  readonly cameraOn = signal(false)
  readonly microphones = signal<readonly MediaDeviceInfo[]>([])
  readonly cameras = signal<readonly MediaDeviceInfo[]>([])
  /** What the other side gets to see. */
  readonly picture = computed(() => this.screen.value ?? this.camera.value)
  /** What the other side is told about our devices. */
  readonly presence = computed(() => ({
    microphone: !this.silent.value,
    camera: this.cameraOn.value,
    screen: this.screen.value !== null,
  }))
  /** Why the last change of camera or screen did not work. */
  readonly problem = signal<{ readonly what: 'cameraFailed' | 'screenFailed'; readonly reason: string } | null>(null)
  readonly #wanted: Wanted
  #closed = true
  #cameraWanted = true
  /** Which open() is the current one: an answer to an earlier permission question no longer counts. */
  #opening = 0

  constructor(wanted: Wanted) {
    this.#wanted = wanted
    navigator.mediaDevices?.addEventListener?.('devicechange', () => void this.#listDevices())
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
    await this.#listDevices()
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

  /** Takes another device of the same kind and remembers it. */
  async choose(kind: Kind, deviceId: string): Promise<void> {
    settings.set(kind === 'audio' ? 'microphone' : 'camera', deviceId)
    this.#stop(kind)
    await this.#open([kind]).catch((error: unknown) => {
      this.reason.value = reasonOf(error)
      this.status.value = 'mediaFailed'
    })
  }

  setMuted(muted: boolean): void {
    this.muted.value = muted
    if (this.microphone.value !== null) this.microphone.value.enabled = !muted
  }

  /** Off lets the device go, so that its light goes out too. */
  async setCamera(on: boolean): Promise<void> {
    this.problem.value = null
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
    this.screen.value?.stop()
    this.screen.value = null
    if (!on) return
    try {
      const stream = await navigator.mediaDevices.getDisplayMedia({ video: true, audio: false })
      const track = stream.getVideoTracks()[0]!
      track.contentHint = 'detail'
      track.onended = () => {
        if (this.screen.value === track) this.screen.value = null
      }
      this.screen.value = track
    } catch (error) {
      if (nameOf(error) !== 'NotAllowedError') this.#report('screenFailed', error)
    }
  }

  /** Lets go of every device. */
  close(): void {
    this.#opening++
    if (!this.#closed) this.#cameraWanted = this.cameraOn.value
    this.#closed = true
    this.#stop('audio')
    this.#stop('video')
    this.screen.value?.stop()
    this.screen.value = null
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

  async #open(kinds: readonly Kind[]): Promise<void> {
    const opening = this.#opening
    const constraints = Object.fromEntries(kinds.map((kind) => [kind, this.#constraints(kind)]))
    const stream = await navigator.mediaDevices.getUserMedia(constraints)
    if (opening !== this.#opening) {
      for (const track of stream.getTracks()) track.stop()
      return
    }
    for (const track of stream.getTracks()) {
      const holder = track.kind === 'audio' ? this.microphone : this.camera
      track.onended = () => {
        if (holder.value === track) this.#stop(track.kind as Kind)
      }
      if (track.kind === 'audio') track.enabled = !this.muted.value
      else this.cameraOn.value = true
      holder.value = track
    }
  }

  #constraints(kind: Kind): MediaTrackConstraints | boolean {
    const deviceId = settings.get(kind === 'audio' ? 'microphone' : 'camera')
    // `ideal`: a device that is gone must not make the call impossible.
    return { ...(this.#wanted[kind] || {}), ...(deviceId === null ? {} : { deviceId: { ideal: deviceId } }) }
  }

  #stop(kind: Kind): void {
    const holder = kind === 'audio' ? this.microphone : this.camera
    const track = holder.value
    holder.value = null
    if (kind === 'video') this.cameraOn.value = false
    track?.stop()
  }

  #report(what: 'cameraFailed' | 'screenFailed', error: unknown): void {
    if (what === 'cameraFailed') this.cameraOn.value = false
    this.problem.value = { what, reason: reasonOf(error) }
  }

  async #listDevices(): Promise<void> {
    const devices = await navigator.mediaDevices.enumerateDevices()
    this.microphones.value = devices.filter(({ kind, deviceId }) => kind === 'audioinput' && deviceId !== '')
    this.cameras.value = devices.filter(({ kind, deviceId }) => kind === 'videoinput' && deviceId !== '')
  }
}

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

function nameOf(error: unknown): string {
  return error instanceof Error || error instanceof DOMException ? error.name : ''
}
