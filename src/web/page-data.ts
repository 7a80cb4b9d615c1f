/** Which of the three pages the server rendered. */
export type View = 'home' | 'call' | 'full'

/** What the server tells the page: AppRTC's parameters (the names `/params` uses), as far as the page needs them before joining. */
export interface PageParameters {
  readonly room_id?: string
  readonly header_message: string | null
  readonly error_messages: readonly string[]
  readonly warning_messages: readonly string[]
  readonly media_constraints: string
  readonly bypass_join_confirmation: string
}

export type PageData = PageParameters & { readonly view: View }

/** Reads the data block out of a rendered page. */
export function pageDataIn(root: Document): PageData {
  return parsePageData(root.getElementById('page')?.textContent ?? '')
}

/** Whether the room is full at this moment: asks for the page again and looks at the view the server chose. */
export async function roomIsFull(): Promise<boolean> {
  const response = await fetch(location.href, { cache: 'no-store', headers: { accept: 'text/html' } })
  const block = /<script type="application\/json" id="page">([^<]*)<\/script>/.exec(await response.text())
  return block !== null && parsePageData(block[1]!).view === 'full'
}

// The page came from our own server, so its shape is known; a missing block only happens in a broken proxy.
function parsePageData(json: string): PageData {
  return JSON.parse(json || '{"view":"home"}') as PageData
}
