import { expect, test } from 'vitest'
import { Dice } from './mutator.ts'
import { targets } from './targets.ts'

const STEPS = 30_000
/** A loaded machine gets through fewer of them. */
const MOST_MILLISECONDS = 5_000
const SEED = 20_261_122

test.each(Object.keys(targets))('SEC-34 STUN-ERR-09 nothing throws and nothing is left: %s', (name) => {
  const { step, end } = targets[name]!(new Dice(SEED))
  const startedAt = performance.now()
  let done = 0
  for (; done < STEPS && performance.now() - startedAt < MOST_MILLISECONDS; done++) step()
  expect(done).toBeGreaterThan(1000)
  end()
})
