/** Several sounds as one track. The browser wants a click of the person before it mixes. */
export function mix(tracks: readonly MediaStreamTrack[]): { readonly track: MediaStreamTrack; close(): void } {
  const context = new AudioContext()
  const output = context.createMediaStreamDestination()
  for (const track of tracks) context.createMediaStreamSource(new MediaStream([track])).connect(output)
  return {
    track: output.stream.getAudioTracks()[0]!,
    close: () => void context.close(),
  }
}
