import { expect, test } from 'vitest'
import type { Log } from '../../src/log.ts'
import { TurnLog } from '../../src/net/turn-log.ts'
import { TurnWorld } from '../support/turn-world.ts'

/** A world whose events are logged, and the lines so far. */
function logged() {
  const lines: { readonly message: string; readonly fields: Record<string, unknown> }[] = []
  const info = (fields: Record<string, unknown>, message: string) => lines.push({ message, fields })
  const log = { info, isLevelEnabled: () => true } as unknown as Log
  let world: TurnWorld
  const events = new TurnLog(log, () => world.now)
  world = new TurnWorld({ events, settings: { maxPacketsPerSecond: 2 } })
  return { world, lines }
}

test('an ended session leaves one line: who, how long, why, what went each way, and what was lost', () => {
  const { world, lines } = logged()
  const alice = world.client()
  alice.allocate()
  alice.bind(0x4000, '203.0.113.5:4000')
  for (let i = 0; i < 3; i++) alice.sendChannelData(0x4000, 'hello')
  world.peerData(alice.relay, '203.0.113.5:4000', Buffer.from('hi'))
  const [{ id } = { id: '' }] = [...world.server.allocations]
  const relay = alice.relay.local.toString()
  world.clock.advanceSeconds(90)
  alice.refresh(0)
  const who = { id, client: '198.51.100.7:20000', transport: 'udp', relay, username: 'alice' }
  expect(lines).toEqual([
    { message: 'allocation opened', fields: who },
    {
      message: 'allocation ended',
      fields: {
        ...who,
        reason: 'refreshed-to-0',
        seconds: 90,
        toPeerPackets: 2,
        toPeerBytes: 10,
        toClientPackets: 1,
        toClientBytes: 2,
        droppedToPeer: { 'over-limit': 1 },
      },
    },
  ])
})

test("an operator's word for the reason is in it", () => {
  const { world, lines } = logged()
  world.client().allocate()
  const [allocation] = [...world.server.allocations]
  world.server.allocations.release(allocation!, 'operator', world.now, 'abuse')
  expect(lines.at(-1)).toMatchObject({ message: 'allocation ended', fields: { reason: 'operator', detail: 'abuse' } })
})
