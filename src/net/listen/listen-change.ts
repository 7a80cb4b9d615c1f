/** Other listeners than now: the new ones are open and serve nobody yet. One of the two is called, once. */
export interface ListenChange {
  /** Serves clients on the new ones; the old ones take no new clients, and are closed when their last client has gone. */
  commit(): void
  /** Closes the new ones; all is as it was. */
  abort(): Promise<void>
}

/** Everything or nothing, for who can say no; or as much as can be had, for who has to go on: what cannot be had is counted. */
export type Wanted = 'all' | 'what can be had'

/** Several at once. */
export function together(changes: readonly ListenChange[]): ListenChange {
  return {
    commit: () => {
      for (const change of changes) change.commit()
    },
    abort: async () => {
      for (const change of changes.toReversed()) await change.abort()
    },
  }
}

/** What of the open listeners is still wanted, what is to be opened, and what nobody wants any more. */
export function compare<W extends { readonly key: string }, O extends { readonly key: string }>(
  wanted: readonly W[],
  open: readonly O[],
): { readonly kept: readonly O[]; readonly missing: readonly W[]; readonly spare: readonly O[] } {
  const spare = [...open]
  const kept: O[] = []
  const missing: W[] = []
  for (const one of wanted) {
    // Several may want port 0 of one address.
    const at = spare.findIndex(({ key }) => key === one.key)
    if (at < 0) missing.push(one)
    else kept.push(...spare.splice(at, 1))
  }
  return { kept, missing, spare }
}
