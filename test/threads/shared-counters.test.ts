import { expect, test } from 'vitest'
import { Method } from '../../src/stun/constants.ts'
import { TurnReadings } from '../../src/threads/shared-counters.ts'
import { TurnWorld, udp } from '../support/turn-world.ts'

test('RES-04 an allocation that still opens, and may yet be refused, is not among those that there are', () => {
  const world = new TurnWorld()
  world.client().allocate()
  const late = world.client()
  late.learn(late.ask(Method.ALLOCATE, udp)!)
  world.opensRelays = false
  late.ask(Method.ALLOCATE, udp)
  expect(world.server.allocations.size).toBe(2)
  const readings = new TurnReadings()
  readings.update(world.server.allocations.open, 1)
  expect(readings.allocations.udp).toBe(1)
})
