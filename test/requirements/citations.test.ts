import { expect, test } from 'vitest'
import { type Citations, disagreements, idsIn } from './citations.ts'

// Written in two parts, or this file would cite them itself.
const id = (family: string, number: string) => `${family}-${number}`
const [HERE, THERE, ELSEWHERE] = [id('TURN-ALLOC', '01'), id('SEC', '60'), id('NAT-5780', '04')]

const LIST = { covered: { [HERE]: 'one thing' }, uncovered: { [THERE]: { title: 'another', reason: 'not built yet' } } }
const cited = (...ids: string[]): Citations => new Map(ids.map((each) => [each, ['a.test.ts']]))

test('names, rows of tables and parts of templates cite, comments do not', () => {
  const source = `
    // ${id('STUN-FP', '01')}
    /** ${id('STUN-FP', '02')} */
    test('${HERE} ${id('AR', '5.2.3')} works', () => {
      // ${id('STUN-FP', '03')}
      expect(1).toBe(1) // ${id('STUN-FP', '04')}
      /*! @license ${id('STUN-FP', '05')} */
    })
    test.each([['${THERE} a row', 1]])('%s', (_name, value: unknown) => {})
    test(\`\${kind} ${ELSEWHERE}\`, async () => {})
  `
  expect(idsIn(source)).toEqual(new Set([HERE, id('AR', '5.2.3'), THERE, ELSEWHERE]))
})

test('what looks like an id, and is a part of something longer, is none', () => {
  expect(idsIn(`test('SHA-256, ${HERE}a, x${HERE}, ${HERE}-5, ${HERE}7')`)).toEqual(new Set())
})

test('a list that the tests agree with draws no line', () => {
  expect(disagreements(LIST, cited(HERE))).toEqual([])
})

test.each([
  ['a covered one that lost its test', cited(), [`${HERE} is covered, says the list, and no test cites it: one thing`]],
  [
    'one that is not in the list',
    cited(HERE, id('TURN-ALLOC', '99')),
    [`${id('TURN-ALLOC', '99')} is cited by a.test.ts and is not in the list`],
  ],
  [
    'one of a kind that is not in the list, in a family that is',
    cited(HERE, id('TURN-NEW', '01')),
    [`${id('TURN-NEW', '01')} is cited by a.test.ts and is not in the list`],
  ],
  [
    'an uncovered one that has a test now',
    cited(HERE, THERE),
    [`${THERE} is cited by a.test.ts and uncovered, says the list: move it`],
  ],
  ['a word of another family', cited(HERE, 'CRC-32'), []],
])('%s', (_name, found, lines) => {
  expect(disagreements(LIST, found)).toEqual(lines)
})

test('one that is listed as both is named', () => {
  const both = { ...LIST, uncovered: { [HERE]: { title: 'one thing', reason: 'not built yet' } } }
  expect(disagreements(both, cited(HERE))).toContain(`${HERE} is in the list twice, covered and uncovered`)
})
