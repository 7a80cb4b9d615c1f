/** Changes to session descriptions for which browsers have no other way. Whatever has no such codec or line stays as it is. */

type Kind = 'audio' | 'video'

/** The most that may be sent to whoever says this, in kbit/s (`b=AS`, RFC 8866 §5.8). */
export function withBandwidth(sdp: string, kind: Kind, kbps: number): string {
  return inSection(sdp, kind, (lines) => {
    const others = lines.filter((line) => !line.startsWith('b=AS:'))
    // Behind the connection line, where the grammar wants it.
    const at = others.findIndex((line) => line.startsWith('c='))
    others.splice(Math.max(at, 0) + 1, 0, `b=AS:${kbps}`)
    return others
  })
}

/** With this codec before all others; `codec` is a name such as `VP8` or `opus/48000`. */
export function withCodecFirst(sdp: string, kind: Kind, codec: string): string {
  return inSection(sdp, kind, (lines) => {
    const first = payloadsOf(lines, codec)
    const [line = '', ...others] = lines
    const [media, port, protocol, ...payloads] = line.split(' ')
    const rest = payloads.filter((payload) => !first.includes(payload))
    return [[media, port, protocol, ...first, ...rest].join(' '), ...others]
  })
}

/** With this parameter of a codec's format (`a=fmtp`, RFC 8866 §6.15). */
export function withFormat(sdp: string, kind: Kind, codec: string, name: string, value: string): string {
  return inSection(sdp, kind, (lines) => {
    const payloads = payloadsOf(lines, codec)
    return lines.flatMap((line) => {
      const [, payload, format] = /^a=fmtp:(\d+) (.*)$/.exec(line) ?? []
      if (payload !== undefined && payloads.includes(payload)) {
        const others = format!.split(';').filter((one) => one.split('=')[0]!.trim() !== name)
        return [`a=fmtp:${payload} ${[...others, `${name}=${value}`].join(';')}`]
      }
      const [, mapped] = /^a=rtpmap:(\d+) /.exec(line) ?? []
      const unformatted =
        mapped !== undefined && payloads.includes(mapped) && !lines.some((one) => one.startsWith(`a=fmtp:${mapped} `))
      return unformatted ? [line, `a=fmtp:${mapped} ${name}=${value}`] : [line]
    })
  })
}

function payloadsOf(lines: readonly string[], codec: string): string[] {
  const wanted = codec.toLowerCase()
  return lines.flatMap((line) => {
    const [, payload, name] = /^a=rtpmap:(\d+) (.*)$/.exec(line) ?? []
    const known = name?.toLowerCase()
    return known === wanted || known?.startsWith(`${wanted}/`) ? [payload!] : []
  })
}

function inSection(sdp: string, kind: Kind, change: (lines: readonly string[]) => readonly string[]): string {
  const sections = sdp.split(/(?=^m=)/m)
  return sections
    .map((section) => {
      if (!section.startsWith(`m=${kind} `)) return section
      return `${change(section.trimEnd().split(/\r?\n/)).join('\r\n')}\r\n`
    })
    .join('')
}
