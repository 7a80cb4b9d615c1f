import { expect } from 'vitest'
import { Attribute } from '../../src/stun/constants.ts'
import { NetworkClient } from '../support/network-client.ts'
import { type TestServer, testUser } from '../support/server.ts'
import { dual } from '../support/turn-client.ts'

/** A client of the test user with relays of both families. */
export async function allocated(server: TestServer): Promise<NetworkClient> {
  const login = { username: testUser.name, password: testUser.password }
  const client = await NetworkClient.udp({ port: server.ports.udp, login })
  const answer = await client.allocate(dual)
  expect(answer.code).toBe(200)
  expect(answer.addresses(Attribute.XOR_RELAYED_ADDRESS)).toHaveLength(2)
  return client
}

/** A peer's address as the test clients take it. */
export function at(host: string, port = 40_000): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`
}
