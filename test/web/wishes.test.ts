import { describe, expect, test } from 'vitest'
import { described, understood, wishesIn } from '../../src/web/link/wishes.ts'
import { wantedMedia } from '../../src/web/media/constraints.ts'

const sdp = [
  'v=0',
  'o=- 1 2 IN IP4 127.0.0.1',
  's=-',
  't=0 0',
  'm=audio 9 UDP/TLS/RTP/SAVPF 111 0',
  'c=IN IP4 0.0.0.0',
  'a=rtpmap:111 opus/48000/2',
  'a=fmtp:111 minptime=10;useinbandfec=1',
  'a=rtpmap:0 PCMU/8000',
  'm=video 9 UDP/TLS/RTP/SAVPF 96 97 98',
  'c=IN IP4 0.0.0.0',
  'a=rtpmap:96 VP8/90000',
  'a=rtpmap:97 rtx/90000',
  'a=fmtp:97 apt=96',
  'a=rtpmap:98 H264/90000',
  'a=fmtp:98 profile-level-id=42e01f',
  '',
].join('\r\n')

/** The lines that differ, with a sign. */
function difference(changed: string): string[] {
  const [before, after] = [sdp.split('\r\n'), changed.split('\r\n')]
  return [
    ...before.filter((line) => !after.includes(line)).map((line) => `-${line}`),
    ...after.filter((line) => !before.includes(line)).map((line) => `+${line}`),
  ]
}

test('a link without wishes changes nothing', () => {
  expect(understood(sdp, wishesIn('?it=relay'))).toBe(sdp)
  expect(described(sdp, wishesIn(''))).toBe(sdp)
})

describe('what we tell the others', () => {
  test.each([
    ['arbr=32', ['+b=AS:32']],
    ['vrbr=500', ['+b=AS:500']],
    ['vrc=H264', ['-m=video 9 UDP/TLS/RTP/SAVPF 96 97 98', '+m=video 9 UDP/TLS/RTP/SAVPF 98 96 97']],
    ['arc=PCMU/8000', ['-m=audio 9 UDP/TLS/RTP/SAVPF 111 0', '+m=audio 9 UDP/TLS/RTP/SAVPF 0 111']],
    ['vrc=nosuch', []],
    ['vrbr=0', []],
    ['vrbr=1%0d%0aa=x', []],
    ['vrc=%0d%0aa=x', []],
  ])('%s', (search, lines) => {
    expect(difference(described(sdp, wishesIn(search)))).toEqual(lines)
  })

  test('a limit stands in its own section, behind the connection line', () => {
    const lines = described(sdp, wishesIn('vrbr=500')).split('\r\n')
    expect(lines.slice(lines.indexOf('b=AS:500') - 2, lines.indexOf('b=AS:500') + 2)).toEqual([
      'm=video 9 UDP/TLS/RTP/SAVPF 96 97 98',
      'c=IN IP4 0.0.0.0',
      'b=AS:500',
      'a=rtpmap:96 VP8/90000',
    ])
  })
})

describe('how we send', () => {
  test.each([
    ['stereo=true', ['-a=fmtp:111 minptime=10;useinbandfec=1', '+a=fmtp:111 minptime=10;useinbandfec=1;stereo=1']],
    ['opusfec=false', ['-a=fmtp:111 minptime=10;useinbandfec=1', '+a=fmtp:111 minptime=10;useinbandfec=0']],
    ['opusdtx=true', ['-a=fmtp:111 minptime=10;useinbandfec=1', '+a=fmtp:111 minptime=10;useinbandfec=1;usedtx=1']],
    [
      'opusmaxpbr=16000',
      ['-a=fmtp:111 minptime=10;useinbandfec=1', '+a=fmtp:111 minptime=10;useinbandfec=1;maxplaybackrate=16000'],
    ],
    ['vsc=H264/90000', ['-m=video 9 UDP/TLS/RTP/SAVPF 96 97 98', '+m=video 9 UDP/TLS/RTP/SAVPF 98 96 97']],
    ['asc=pcmu', ['-m=audio 9 UDP/TLS/RTP/SAVPF 111 0', '+m=audio 9 UDP/TLS/RTP/SAVPF 0 111']],
    [
      'vsibr=800',
      [
        '-a=fmtp:98 profile-level-id=42e01f',
        '+a=fmtp:96 x-google-start-bitrate=800',
        '+a=fmtp:98 profile-level-id=42e01f;x-google-start-bitrate=800',
      ],
    ],
    ['stereo=perhaps', []],
  ])('%s', (search, lines) => {
    expect(difference(understood(sdp, wishesIn(search)))).toEqual(lines)
  })

  test('at most so much', () => {
    expect(wishesIn('asbr=24&vsbr=300').sendKbps).toEqual({ audio: 24, video: 300 })
    expect(wishesIn('asbr=-1&vsbr=x').sendKbps).toEqual({ audio: null, video: null })
  })

  test('two channels of the microphone', () => {
    expect(wantedMedia(true, '?stereo=true').audio).toEqual({ channelCount: { ideal: 2 } })
    expect(wantedMedia({ audio: false }, '?stereo=true').audio).toBe(false)
    expect(wantedMedia(true, '').audio).toEqual({})
  })
})
