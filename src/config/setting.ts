import type { OptionName } from './options.ts'

/** Where a value comes from; later kinds win over earlier ones. */
export type Origin =
  | { readonly source: 'default' }
  | { readonly source: 'file'; readonly file: string; readonly line: number }
  | { readonly source: 'environment'; readonly variable: string }
  | { readonly source: 'flag'; readonly flag: string }

/** One key set once, not yet understood. */
export interface Setting {
  readonly name: OptionName
  /** Null for a bare key or flag. */
  readonly text: string | null
  /** It was written as `no-NAME`, and says the contrary. */
  readonly negated?: true
  readonly origin: Origin
}

/** Something to tell the operator that does not stop the start. */
export interface Warning {
  readonly where: string | null
  readonly message: string
  /** `serve` says it in its summary, so its log need not. */
  readonly inSummary?: true
}

/** The origin as people look for it: `turnserver.conf:12`, `WEBRTC_STACK_REALM`, `--realm`. */
export function describeOrigin(origin: Origin): string {
  switch (origin.source) {
    case 'default':
      return 'default'
    case 'file':
      return `${origin.file}:${origin.line}`
    case 'environment':
      return origin.variable
    case 'flag':
      return origin.flag
  }
}
