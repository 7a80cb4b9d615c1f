/** Takes what the operator should hear about a value that is used all the same. */
export type Remark = (message: string) => void

/** How the text of one option becomes a value, and how the value is shown again. */
export interface ValueType<Value> {
  readonly placeholder: string
  /** Throws BadValue, whose message never repeats a secret. */
  parse(text: string, remark?: Remark): Value
  show(value: Value): string
  /** What the bare key means; a key without this needs a value. */
  readonly bare?: Value
  /** No value of this type holds a blank followed by `#`, so such an ending is a misplaced comment. */
  readonly neverHolds?: '#'
  /** An empty value is as if the key were not there, with a warning: generators write such lines. */
  readonly ignoresEmpty?: true
  /** What separates list entries in an environment variable; without it only a new line does. */
  readonly commaSeparated?: true
}

export function clip(value: string): string {
  return value.length > 80 ? `${value.slice(0, 80)}…` : value
}

/** No address has quotes; command lines that no shell has seen do. */
export function unquoted(value: string, remark?: Remark): string {
  const [, inner] = /^['"‘’“”](.*)['"‘’“”]$/.exec(value) ?? []
  if (inner === undefined) return value
  remark?.('the quotes around the value are left out')
  return inner
}
