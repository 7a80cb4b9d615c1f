/** What an operator reads when an error comes from the limit of open files, or from one that does; null for any other. */
export function filesComplaint(error: unknown): string | null {
  // What a thread has died of keeps nothing but its message on the way here.
  for (let each = error; each instanceof Error; each = each.cause)
    if (/\bE[MN]FILE\b/.test(each.message))
      return 'too many open files: raise the limit (LimitNOFILE= in the systemd unit, or ulimit -n)'
  return null
}
