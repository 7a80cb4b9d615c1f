import { expect, test, vi } from 'vitest'
import { NetworkClient } from '../support/network-client.ts'
import { startForTest, testUser } from '../support/server.ts'

vi.mock('../../src/net/linux/koffi.ts', async (original) => ({
  ...(await original<typeof import('../../src/net/linux/koffi.ts')>()),
  loadKoffi: () => null,
}))

test.each([
  ['auto', 'info'],
  ['batch', 'warn'],
])('where batches cannot be had this thread relays, with the reason in one line (udp-io=%s)', async (io, level) => {
  const server = await startForTest({ 'udp-io': io, 'relay-threads': '2' })
  expect(server.turn.workers).toBeNull()
  const choices = (await server.log()).filter(({ msg }) => String(msg).startsWith('UDP packets are moved'))
  expect(choices).toMatchObject([{ level, reason: expect.stringMatching(/koffi|Linux|x86-64/) }])
  const login = { username: testUser.name, password: testUser.password }
  for (const transport of ['udp', 'tcp'] as const) {
    const client = await NetworkClient[transport]({ port: server.ports[transport], login })
    expect((await client.allocate()).code).toBe(200)
  }
})
