/** Document Picture-in-Picture, which TypeScript's library does not have yet. */
interface DocumentPictureInPicture {
  readonly window: Window | null
  requestWindow(options?: { width?: number; height?: number }): Promise<Window>
}

/** Chromium's; undefined elsewhere. */
export const { documentPictureInPicture } = globalThis as { documentPictureInPicture?: DocumentPictureInPicture }
