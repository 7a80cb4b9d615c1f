import { BadValue } from '../config-error.ts'
import { clip, type Remark, type ValueType } from './value-type.ts'

/** A whole number; one beyond the ends becomes the end, with a remark. */
export function integer(placeholder: string, from: number, to: number): ValueType<number> {
  return {
    placeholder,
    neverHolds: '#',
    parse(text, remark) {
      const value = wholeNumber(text, remark)
      if (value >= from && value <= to) return value
      const end = value < from ? from : to
      remark?.(`${clip(text)} is not between ${from} and ${to}; ${end} is used`)
      return end
    },
    show: String,
  }
}

const LONGEST_SECONDS = 1e9

/** Seconds, of which a bare key means `bare` and a negative number as many as possible, both as in coturn. */
export function lifetimeSeconds(bare: number): ValueType<number> {
  const number = integer('SECONDS', 0, LONGEST_SECONDS)
  return {
    ...number,
    bare,
    parse(text, remark) {
      if (!/^-\d+$/.test(text)) return number.parse(text, remark)
      remark?.(`${clip(text)} stands for as long as possible, ${LONGEST_SECONDS} seconds`)
      return LONGEST_SECONDS
    },
  }
}

/** As coturn reads it, a number ends where its digits end; but `100k` would be taken for far less than is meant. */
function wholeNumber(text: string, remark?: Remark): number {
  const [, digits, rest = ''] = /^([+-]?\d+)(?:[^0-9A-Za-z.](.*))?$/.exec(text) ?? []
  if (digits === undefined) throw new BadValue(`"${clip(text)}" is not a whole number`)
  if (digits !== text) remark?.(`"${clip(text)}" is read as ${digits}${rest === '' ? '' : ', the rest is ignored'}`)
  return Number(digits)
}

/** Empty, or beyond the ends, for what is worked out at start. */
export function optionalInteger(placeholder: string, from: number, to: number): ValueType<number | null> {
  const number = integer(placeholder, from, to)
  return {
    placeholder,
    neverHolds: '#',
    parse(value, remark) {
      if (value === '') return null
      const wanted = wholeNumber(value, remark)
      if (wanted >= from && wanted <= to) return wanted
      remark?.(`${clip(value)} is not between ${from} and ${to}; the default is used`)
      return null
    },
    show: (value) => (value === null ? '' : number.show(value)),
  }
}

/** Another port than the one that is written helps nobody, so that a wrong one is refused. */
export const port: ValueType<number> = {
  ...integer('PORT', 0, 65_535),
  parse(text) {
    if (!/^[+-]?\d+$/.test(text)) throw new BadValue(`"${clip(text)}" is not a whole number`)
    const value = Number(text)
    if (value < 0 || value > 65_535) throw new BadValue(`${clip(text)} is not between 0 and 65535`)
    return value
  },
}
