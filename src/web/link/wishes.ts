import { withBandwidth, withCodecFirst, withFormat } from './sdp.ts'

type Kind = 'audio' | 'video'
const kinds = ['audio', 'video'] as const

/** What a link asks of sound and picture, by AppRTC's parameters. */
export interface Wishes {
  /** kbit/s; null is no limit. */
  readonly sendKbps: Readonly<Record<Kind, number | null>>
  readonly receiveKbps: Readonly<Record<Kind, number | null>>
  readonly startKbps: number | null
  /** Names such as `VP8` and `opus/48000`; null is the browser's choice. */
  readonly sendCodec: Readonly<Record<Kind, string | null>>
  readonly receiveCodec: Readonly<Record<Kind, string | null>>
  /** Parameters of Opus as we send it (RFC 7587 §6.1). */
  readonly opus: readonly (readonly [name: string, value: string])[]
}

/** Reads `asbr vsbr arbr vrbr vsibr asc vsc arc vrc stereo opusfec opusdtx opusmaxpbr`. What makes no sense is no wish. */
export function wishesIn(search: string): Wishes {
  const query = new URLSearchParams(search)
  const rate = (name: string) => {
    const value = query.get(name) ?? ''
    return /^[1-9]\d{0,6}$/.test(value) ? Number(value) : null
  }
  const codec = (name: string) => {
    const value = query.get(name) ?? ''
    return /^[\w.-]+(\/\d+){0,2}$/.test(value) ? value : null
  }
  const flag = (name: string, parameter: string): [string, string][] => {
    const value = query.get(name)?.toLowerCase()
    return value === 'true' ? [[parameter, '1']] : value === 'false' ? [[parameter, '0']] : []
  }
  const mostPlayed = rate('opusmaxpbr')
  return {
    sendKbps: { audio: rate('asbr'), video: rate('vsbr') },
    receiveKbps: { audio: rate('arbr'), video: rate('vrbr') },
    startKbps: rate('vsibr'),
    sendCodec: { audio: codec('asc'), video: codec('vsc') },
    receiveCodec: { audio: codec('arc'), video: codec('vrc') },
    opus: [
      ...flag('stereo', 'stereo'),
      ...flag('opusfec', 'useinbandfec'),
      ...flag('opusdtx', 'usedtx'),
      ...(mostPlayed === null ? [] : [['maxplaybackrate', String(mostPlayed)] as const]),
    ],
  }
}

/** Our description as the others get it: how much we want to receive. */
export function described(sdp: string, { receiveKbps, receiveCodec }: Wishes): string {
  return kinds.reduce((text, kind) => {
    const kbps = receiveKbps[kind]
    const codec = receiveCodec[kind]
    const ordered = codec === null || canPrefer() ? text : withCodecFirst(text, kind, codec)
    return kbps === null ? ordered : withBandwidth(ordered, kind, kbps)
  }, sdp)
}

/** Their description as our browser gets it: how we send. */
export function understood(sdp: string, { sendCodec, startKbps, opus }: Wishes): string {
  const ordered = kinds.reduce((text, kind) => {
    const codec = sendCodec[kind]
    return codec === null ? text : withCodecFirst(text, kind, codec)
  }, sdp)
  const started =
    startKbps === null
      ? ordered
      : ['VP8', 'VP9', 'H264', 'AV1'].reduce(
          (text, codec) => withFormat(text, 'video', codec, 'x-google-start-bitrate', String(startKbps)),
          ordered,
        )
  return opus.reduce((text, [name, value]) => withFormat(text, 'audio', 'opus/48000', name, value), started)
}

/** Says to the browser which codecs we want to receive first. */
export function preferCodecs(connection: RTCPeerConnection, { receiveCodec }: Wishes): void {
  if (!canPrefer()) return
  for (const transceiver of connection.getTransceivers()) {
    const kind = transceiver.receiver.track.kind as Kind
    const wanted = receiveCodec[kind]?.toLowerCase()
    if (wanted === undefined) continue
    const codecs = RTCRtpReceiver.getCapabilities(kind)?.codecs ?? []
    const isWanted = ({ mimeType, clockRate }: RTCRtpCodec) =>
      `${mimeType.slice(kind.length + 1)}/${clockRate}/`.toLowerCase().startsWith(`${wanted}/`)
    const first = codecs.filter(isWanted)
    if (first.length > 0) transceiver.setCodecPreferences([...first, ...codecs.filter((codec) => !isWanted(codec))])
  }
}

function canPrefer(): boolean {
  return 'RTCRtpTransceiver' in globalThis && 'setCodecPreferences' in RTCRtpTransceiver.prototype
}
