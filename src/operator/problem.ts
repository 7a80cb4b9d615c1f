/** Why a verb was not carried out, in words for whoever asked. */
export class Problem extends Error {
  readonly code: ProblemCode
  /** What to do about it. */
  readonly fix: string

  constructor(code: ProblemCode, message: string, fix: string) {
    super(message)
    this.code = code
    this.fix = fix
  }
}

/** Fixed words, and the status of HTTP that goes with each. */
export const STATUS_OF = {
  'bad-request': 400,
  'not-found': 404,
  'method-not-allowed': 405,
  /** The part that is meant is switched off. */
  'not-running': 409,
  'too-large': 413,
  /** The new configuration has mistakes, and the old one goes on. */
  'reload-refused': 422,
  'too-many-streams': 429,
  internal: 500,
} as const

export type ProblemCode = keyof typeof STATUS_OF
