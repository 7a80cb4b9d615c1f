import { randomBytes } from 'node:crypto'

const BLOCK_LENGTH = 4096

/** A source of random bytes that cuts them from blocks: one call of node's generator costs more than what it fills. */
export function randomBlocks(): (size: number) => Buffer {
  let block = Buffer.alloc(0)
  let used = 0
  return (size) => {
    if (size > BLOCK_LENGTH) return randomBytes(size)
    if (used + size > block.length) {
      // A new one: what was cut from the old one may be kept.
      block = randomBytes(BLOCK_LENGTH)
      used = 0
    }
    used += size
    return block.subarray(used - size, used)
  }
}
