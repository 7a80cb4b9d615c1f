/** A small generator with a seed, so that a failure can be had again. */
export class Dice {
  #state: number

  constructor(seed: number) {
    this.#state = seed | 1
  }

  below(limit: number): number {
    this.#state ^= this.#state << 13
    this.#state ^= this.#state >>> 17
    this.#state ^= this.#state << 5
    return (this.#state >>> 0) % limit
  }

  of<T>(all: readonly T[]): T {
    return all[this.below(all.length)]!
  }

  bytes(length: number): Buffer {
    const bytes = Buffer.alloc(length)
    for (let i = 0; i < length; i++) bytes[i] = this.below(256)
    return bytes
  }
}

/** A few bytes put in, taken out or turned over; half of what comes out is well-formed by length, so that attributes are reached. */
export function mutate(bytes: Buffer, dice: Dice): Buffer {
  let mutated = Buffer.from(bytes)
  for (let times = dice.below(4); times >= 0; times--) {
    const at = dice.below(mutated.length || 1)
    const kind = dice.below(6)
    if (kind === 0) mutated = Buffer.concat([mutated.subarray(0, at), dice.bytes(dice.below(9)), mutated.subarray(at)])
    else if (kind === 1) mutated = Buffer.concat([mutated.subarray(0, at), mutated.subarray(at + 1 + dice.below(8))])
    else if (mutated.length > 0) mutated[at] = kind === 2 ? dice.below(256) : mutated[at]! ^ (1 << dice.below(8))
  }
  if (mutated.length >= 20 && mutated[0]! < 4 && dice.below(2) === 0) {
    mutated = mutated.subarray(0, mutated.length & ~3)
    mutated.writeUInt16BE(mutated.length - 20, 2)
    mutated.writeUInt32BE(0x2112a442, 4)
  }
  return mutated
}
