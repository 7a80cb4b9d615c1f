/** Puts the picture of the other side, without buttons, into a small window over all others, or takes it back. */
export async function toggleVideoWindow(): Promise<void> {
  if (document.pictureInPictureElement !== null) return document.exitPictureInPicture()
  // Refused while there is no picture yet; the next press works.
  await document
    .querySelector<HTMLVideoElement>('video.remote')
    ?.requestPictureInPicture()
    .catch(() => undefined)
}
