import { effect, type Signal, signal } from '@preact/signals'

/** What a person can choose between. */
export type DeviceKind = 'microphone' | 'camera' | 'speaker'

const kinds = { audioinput: 'microphone', videoinput: 'camera', audiooutput: 'speaker' } as const

/** The devices of this computer, as far as the browser shows them to this site. */
export class Devices {
  readonly microphone: Signal<readonly MediaDeviceInfo[]> = signal([])
  readonly camera: Signal<readonly MediaDeviceInfo[]> = signal([])
  /** Empty where the browser does not let a page choose. */
  readonly speaker: Signal<readonly MediaDeviceInfo[]> = signal([])
  /** A microphone or headset that was plugged in since, for as long as nobody has said what to do with it. */
  readonly plugged: Signal<MediaDeviceInfo | null> = signal(null)

  constructor() {
    navigator.mediaDevices?.addEventListener?.('devicechange', () => void this.#changed())
    effect(() => {
      const { value } = this.plugged
      if (value !== null && !this.microphone.value.some(({ deviceId }) => deviceId === value.deviceId))
        this.plugged.value = null
    })
  }

  /** Looks which there are. Browsers name them only to who has been allowed one. */
  async list(): Promise<void> {
    const devices = await navigator.mediaDevices.enumerateDevices()
    for (const [kind, name] of Object.entries(kinds))
      this[name].value = devices.filter((device) => device.kind === kind && device.deviceId !== '')
    if (!('setSinkId' in HTMLMediaElement.prototype)) this.speaker.value = []
  }

  async #changed(): Promise<void> {
    const before = this.microphone.value
    await this.list()
    // Before the first permission they are nameless, and all new.
    if (before.length === 0) return
    const known = (device: MediaDeviceInfo) => before.some(({ deviceId }) => deviceId === device.deviceId)
    const isRole = ({ deviceId }: MediaDeviceInfo) => deviceId === 'default' || deviceId === 'communications'
    this.plugged.value = this.microphone.value.find((device) => !known(device) && !isRole(device)) ?? this.plugged.value
  }
}
