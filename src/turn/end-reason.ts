/** Why an allocation has ended. Fixed words, because logs, events and metrics use them as values. */
export type EndReason =
  /** A Refresh with lifetime 0 (RFC 8656 §8.2). */
  | 'refreshed-to-0'
  /** Nobody refreshed it in time. */
  | 'expired'
  /** Its TCP, TLS or DTLS connection is closed (RFC 8656 §5), or could not go on. */
  | 'client-gone'
  /** Its account or secret is no longer valid. */
  | 'account-gone'
  /** An operator disconnected it. */
  | 'operator'
  /** None of its relayed addresses could be had; it was never open. */
  | 'no-relay'
  /** It goes on under the same id with another server of the same clients (RFC 8016). */
  | 'moved'
  /** The time that a draining server gives its clients is over. */
  | 'draining'
  /** The server stops. */
  | 'stopped'
  /** The thread that relayed it died: nobody was there to tell of it. */
  | 'thread-died'

export const END_REASONS = [
  'refreshed-to-0',
  'expired',
  'client-gone',
  'account-gone',
  'operator',
  'no-relay',
  'moved',
  'draining',
  'stopped',
  'thread-died',
] as const satisfies readonly EndReason[]
