/** A value that its option does not take; whoever knows where it stood makes a ConfigError of it. */
export class BadValue extends Error {
  readonly fix: string | null

  constructor(message: string, fix: string | null = null) {
    super(message)
    this.name = 'BadValue'
    this.fix = fix
  }
}

/** Where a problem stands and how to get rid of it. */
export interface Problem {
  /** What the reader looks for: `turnserver.conf:12`, `--listening-port`, `WEBRTC_STACK_REALM`. */
  readonly where: string | null
  readonly file?: string
  readonly line?: number
  readonly key?: string
  readonly message: string
  readonly fix: string | null
}

/** A configuration with which the server must not start; `others` are the further problems of the same reading. */
export class ConfigError extends Error {
  readonly file: string | null
  readonly line: number | null
  readonly key: string | null
  readonly fix: string | null
  readonly where: string | null
  readonly others: readonly ConfigError[]

  readonly #problem: Problem

  constructor(problem: Problem, others: readonly ConfigError[] = []) {
    super(problem.message)
    this.name = 'ConfigError'
    this.#problem = problem
    this.where = problem.where
    this.file = problem.file ?? null
    this.line = problem.line ?? null
    this.key = problem.key ?? null
    this.fix = problem.fix
    this.others = others
  }

  /** The same error as the first of several. */
  with(others: readonly ConfigError[]): ConfigError {
    return new ConfigError(this.#problem, others)
  }

  /** One line: where, what, and the way out. */
  toLine(): string {
    const where = this.where === null ? '' : `${this.where}: `
    const fix = this.fix === null ? '' : `; ${this.fix}`
    // Behind `--port: ` nobody needs to read "port" once more.
    const repeated = this.where === `--${this.key}` ? `"${this.key}": ` : ''
    const message = this.message.startsWith(repeated) ? this.message.slice(repeated.length) : this.message
    return `${where}${shortened(message)}${fix}`
  }
}

/** Values may be as long as their file; a line to read may not. */
function shortened(message: string): string {
  return message.length > LONGEST_MESSAGE
    ? `${message.slice(0, LONGEST_MESSAGE / 2)}…${message.slice(-LONGEST_MESSAGE / 2)}`
    : message
}

const LONGEST_MESSAGE = 400

/** A command line that cannot be understood; the message says how to write it. */
export class UsageError extends Error {
  constructor(message: string) {
    super(message)
    this.name = 'UsageError'
  }
}
