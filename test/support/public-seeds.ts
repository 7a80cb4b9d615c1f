import seeds from '../fixtures/public-seeds.json' with { type: 'json' }
import { fromHex } from './bytes.ts'

/** What other STUN and TURN servers are fuzzed with, by name: whole messages, broken ones, several in a row, HTTP. */
export const publicSeeds: readonly (readonly [name: string, bytes: Buffer])[] = seeds.packets.map(({ n, x }) => [
  n,
  fromHex(x),
])
