import { test, vi } from 'vitest'
import { describeWith } from '../support/peers.ts'
import { Meeting } from './meeting.ts'

// A busy machine takes its time to encode two pictures.
vi.setConfig({ testTimeout: 90_000, hookTimeout: 60_000 })

describeWith(['chromium'], 'two Chromiums in a room', () => {
  // The default, named because this suite is not run for each.
  const meeting = new Meeting({ 'udp-io': 'auto' })

  test('can be ended and taken up again', async () => {
    const { alice, bob } = await meeting.begin()
    await Promise.all([alice.watch(), bob.watch()])
    await alice.hangUp()
    await alice.sees('You left the call')
    await bob.sees('The other side left')
    await alice.page.getByRole('button', { name: 'Rejoin' }).click()
    await Promise.all([alice.watch(), bob.watch()])
  })

  for (const [who, index] of [
    ['who came first', 0],
    ['who came second', 1],
  ] as const) {
    test(`comes back by itself when the one ${who} reloads the page`, async () => {
      const { alice, bob } = await meeting.begin()
      await Promise.all([alice.watch(), bob.watch()])
      const person = [alice, bob][index]!
      await person.page.reload()
      await Promise.all([alice.watch(), bob.watch()])
    })
  }

  test('has no place for a third visitor until somebody leaves', async () => {
    const { alice, bob, url } = await meeting.begin()
    await Promise.all([alice.watch(), bob.watch()])
    const carol = await meeting.visit(0, url)
    await carol.sees('The room is full')
    await bob.hangUp()
    await carol.join()
    await Promise.all([alice.watch(), carol.watch()])
  })
})
