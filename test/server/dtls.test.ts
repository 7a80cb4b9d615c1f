import { expect, test } from 'vitest'
import { NetworkClient } from '../support/network-client.ts'
import { describeWith } from '../support/peers.ts'
import { startForTest, testUser } from '../support/server.ts'
import { UdpClient } from '../support/sockets.ts'

const login = { username: testUser.name, password: testUser.password }

describeWith(['openssl'], 'openssl over DTLS', () => {
  test('NET-DTLS-02 plain STUN and DTLS share one port, and close_notify deletes the allocation', async () => {
    const server = await startForTest({ dtls: true })
    const port = server.ports.dtls!
    const plain = await NetworkClient.udp({ port, login })
    expect((await plain.allocate()).code).toBe(200)
    const secure = await NetworkClient.dtls({ port, login })
    expect((await secure.allocate()).code).toBe(200)
    expect((await server.readings()).allocations).toMatchObject({ udp: 1, dtls: 1 })
    const peer = await UdpClient.open()
    for (const client of [plain, secure]) {
      await client.bind(0x4000, `127.0.0.1:${peer.port}`)
      client.sendOn(0x4000, 'one of two')
      expect((await peer.inbox.next()).bytes.toString()).toBe('one of two')
    }

    secure.close()
    await secure.closed
    await expect.poll(async () => (await server.readings()).allocations).toMatchObject({ udp: 1, dtls: 0 })
    expect((await plain.refresh(600)).code).toBe(200)
  })
})
