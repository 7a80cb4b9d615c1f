import { randomBytes } from 'node:crypto'
import { expect, test } from 'vitest'
import { turnAddresses } from '../../../src/start/addresses.ts'
import { turnPlan } from '../../../src/start/plan/turn-plan.ts'
import { turnOptions } from '../../../src/start/relaying/turn-options.ts'
import { runSecrets } from '../../../src/start/run-secrets.ts'
import { turnMemory } from '../../../src/start/shared-memory.ts'
import { Quota } from '../../../src/turn/limits/quota.ts'
import { SourceCount } from '../../../src/turn/limits/source-count.ts'
import type { TurnOptions } from '../../../src/turn/options.ts'
import { RelayPorts } from '../../../src/turn/relay-addresses/relay-ports.ts'
import { load } from '../../config/loading.ts'

/** What the TURN core is told for this turnserver.conf. */
async function optionsFor(file: string): Promise<TurnOptions> {
  const { config } = await load(file)
  const plan = turnPlan(config, turnAddresses(config))
  const memory = turnMemory(plan, 1, randomBytes)
  return turnOptions(
    plan,
    { memory, secrets: runSecrets(config) },
    {
      quota: new Quota(memory.quota),
      relayPorts: new RelayPorts(plan.ports, randomBytes),
      sources: new SourceCount(),
      stored: null,
    },
  )
}

test('TURN-ALLOC-05 TURN-MOB-01 RES-04 switches and limits reach the TURN server', async () => {
  const unset = await optionsFor('listening-ip=127.0.0.1\n')
  expect(unset).toMatchObject({ noUdpRelay: false, mobility: false, maxAllocationsPerAddress: 1024 })
  const set = await optionsFor('listening-ip=127.0.0.1\nno-udp-relay\nmobility\nmax-allocations-per-address=7\n')
  expect(set).toMatchObject({ noUdpRelay: true, mobility: true, maxAllocationsPerAddress: 7 })
})

test.each([
  ['neither listening-ip nor relay-ip', '', true],
  ['every address as listening-ip', 'listening-ip=0.0.0.0\n', true],
  ['an empty listening-ip', 'listening-ip=\n', true],
  ['every address of one family and loopback', 'listening-ip=::\nlistening-ip=127.0.0.1\n', true],
  ['0.0.0.0 as relay-ip', 'relay-ip=0.0.0.0\n', true],
  [':: as relay-ip', 'relay-ip=::0\n', true],
  ['both as both', 'relay-ip=0.0.0.0\nrelay-ip=::\nlistening-ip=0.0.0.0\nlistening-ip=::\n', true],
  ['0.0.0.0 as relay-ip and one listening-ip', 'relay-ip=0.0.0.0\nlistening-ip=127.0.0.1\n', false],
  ['0.0.0.0 as relay-ip beside another', 'relay-ip=0.0.0.0\nrelay-ip=127.0.0.1\n', false],
  ['an explicit listening-ip', 'listening-ip=127.0.0.1\n', false],
  ['an explicit relay-ip', 'relay-ip=127.0.0.1\n', false],
])('relayed addresses with %s', async (_name, file, whereReached) => {
  const { relayAddresses, relayWhereReached } = await optionsFor(file)
  expect(relayWhereReached).toBe(whereReached)
  if (!whereReached) expect(relayAddresses.map(({ host }) => host)).toEqual(['127.0.0.1'])
})

test.each([
  [
    'loopback beside others of its family',
    ['127.0.0.1', '192.0.2.5', '::1', '192.0.2.6'],
    ['192.0.2.5', '::1', '192.0.2.6'],
  ],
  ['nothing but loopback', ['127.0.0.1', '::1'], ['127.0.0.1', '::1']],
])(
  'of the listening addresses %s is left out of the rotation unless relay-ip names it',
  async (_name, given, expected) => {
    const file = given.map((ip) => `listening-ip=${ip}\n`).join('')
    const hosts = async (text: string) => (await optionsFor(text)).relayAddresses.map(({ host }) => host)
    expect(await hosts(file)).toEqual(expected)
    expect(await hosts(`${file}${given.map((ip) => `relay-ip=${ip}\n`).join('')}`)).toEqual(given)
  },
)
