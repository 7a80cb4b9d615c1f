/** What tells of another network; the parts of a browser, so that tests can stand in for them. */
export interface NetworkSigns {
  readonly window: EventTarget
  readonly document: EventTarget & { readonly hidden: boolean }
  /** Chromium's; its `type` is known on phones alone. */
  readonly connection: (EventTarget & { readonly type?: string }) | undefined
  now(): number
}

/** Shorter looks elsewhere are none in which a computer changes its network unseen. */
const awayMs = 10_000

/**
 * Tells when our network has `changed`, or only `perhaps`. The browser's estimates of its speed are no change, but where it does
 * not tell the kind of network they are all that is said.
 */
export function watchNetwork(tell: (how: 'changed' | 'perhaps') => void, signs: NetworkSigns = thisBrowser()): void {
  const { window, document, connection } = signs
  window.addEventListener('online', () => tell('changed'))
  let type = connection?.type
  connection?.addEventListener('change', () => {
    if (connection.type === undefined) tell('perhaps')
    else if (connection.type !== type) tell('changed')
    type = connection.type
  })
  let hiddenAt: number | null = null
  document.addEventListener('visibilitychange', () => {
    if (document.hidden) hiddenAt = signs.now()
    else {
      // A page that was not seen may have been frozen, with its timers and its socket.
      if (hiddenAt !== null && signs.now() - hiddenAt >= awayMs) tell('changed')
      hiddenAt = null
    }
  })
}

function thisBrowser(): NetworkSigns {
  const { connection } = navigator as Navigator & { connection?: EventTarget & { type?: string } }
  return { window, document, connection, now: () => performance.now() }
}
