import { parseArgs } from 'node:util'
import { Dice } from './mutator.ts'
import { targets } from './targets.ts'

// `npm run fuzz -- [--count N] [--seconds S] [--seed N] [--only TEXT]`: as many inputs for each target, or as long as it says.
const { values } = parseArgs({
  options: {
    count: { type: 'string', default: '1000000' },
    seconds: { type: 'string' },
    seed: { type: 'string' },
    only: { type: 'string', default: '' },
  },
})
const [count, seconds, seed] = [values.count, values.seconds ?? '0', values.seed ?? `${Date.now() % 2 ** 31}`].map(
  Number,
)
if (![count, seconds, seed].every(Number.isFinite)) {
  console.error('usage: npm run fuzz -- [--count N] [--seconds S] [--seed N] [--only TEXT]')
  process.exit(2)
}

for (const [name, target] of Object.entries(targets).filter(([each]) => each.includes(values.only))) {
  const { step, end } = target(new Dice(seed!))
  const startedAt = performance.now()
  const isOver = (done: number) =>
    seconds! > 0 ? done % 1024 === 0 && performance.now() - startedAt > seconds! * 1000 : done >= count!
  const before = memory()
  let done = 0
  try {
    for (; !isOver(done); done++) step()
    end()
  } catch (error) {
    console.error(`${name}: input ${done} of seed ${seed} (npm run fuzz -- --seed ${seed} --only '${name}')`)
    console.error(error)
    process.exit(1)
  }
  const taken = ((performance.now() - startedAt) / 1000).toFixed(1)
  console.log(`${name}: ${done} inputs in ${taken} s, seed ${seed}, heap ${before} → ${memory()} MB`)
}

function memory(): number {
  globalThis.gc?.()
  return Math.round(process.memoryUsage().heapUsed / 1e6)
}
