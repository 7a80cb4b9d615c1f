/** One line of a report. */
export interface Finding {
  readonly level: 'ok' | 'warning' | 'failure'
  /** What was looked at, in a word or two. */
  readonly subject: string
  readonly text: string
  /** What to do; null where nothing is to be done. */
  readonly fix: string | null
}

export function ok(subject: string, text: string): Finding {
  return { level: 'ok', subject, text, fix: null }
}

/** It works, and not for everybody or not for long. */
export function warning(subject: string, text: string, fix: string): Finding {
  return { level: 'warning', subject, text, fix }
}

/** Some calls do not work because of it. */
export function failure(subject: string, text: string, fix: string): Finding {
  return { level: 'failure', subject, text, fix }
}
