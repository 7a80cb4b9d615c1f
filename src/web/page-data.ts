/** What the server tells the page before it joins. */
export interface PageData {
  /** Which page the server rendered. */
  readonly view: 'home' | 'call' | 'full'
  readonly roomId?: string
  readonly headerMessage: string | null
  readonly errorMessages: readonly string[]
  readonly warningMessages: readonly string[]
  /** AppRTC's media constraints, made from the link's `audio`, `video` and `hd`. */
  readonly mediaConstraints: unknown
  readonly bypassJoinConfirmation: boolean
}

/** Reads the data block out of the rendered page. */
export function pageDataIn(root: Document): PageData {
  return JSON.parse(root.getElementById('page')!.textContent) as PageData
}

/** Whether the room is full at this moment: asks for the page again and looks at the view the server chose. */
export async function roomIsFull(): Promise<boolean> {
  const response = await fetch(location.href, { cache: 'no-store' })
  const block = /<script type="application\/json" id="page">([^<]*)<\/script>/.exec(await response.text())
  return block !== null && (JSON.parse(block[1]!) as PageData).view === 'full'
}
