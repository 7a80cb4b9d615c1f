import { expect, test } from 'vitest'
import { Attribute, Method } from '../../src/stun/constants.ts'
import { NetworkClient } from '../support/network-client.ts'
import { describeWith } from '../support/peers.ts'
import { startForTest, type TestServer } from '../support/server.ts'
import { freePort } from '../support/sockets.ts'
import { type Output, run } from '../support/turnutils.ts'

const HOSTS = ['127.0.0.1', '127.0.78.2'] as const

/** With NAT behaviour discovery, which has to be asked for. */
async function discovering(
  options: Record<string, string | boolean> = {},
): Promise<readonly [TestServer, number, number]> {
  const [port, alternate] = [await freePort(), await freePort()]
  const server = await startForTest({
    rfc5780: true,
    'listening-ip': HOSTS,
    'listening-port': String(port),
    'alt-listening-port': String(alternate),
    ...options,
  })
  return [server, port, alternate]
}

describeWith(['coturn'], "coturn's turnutils_natdiscovery", () => {
  const discover = (port: number, ...words: string[]): Promise<Output> =>
    run('turnutils_natdiscovery', [...words, '-p', String(port), HOSTS[0]])

  test('NAT-5780-01 NAT-5780-02 NAT-5780-03 it finds mapping and filtering that depend on nothing', async () => {
    const [, port, alternate] = await discovering()
    const { text } = await discover(port, '-m', '-f')
    expect(text).toContain('NAT with Endpoint Independent Mapping!')
    expect(text).toContain('NAT with Endpoint Independent Filtering!')
    expect(text).toContain(`Response origin: : ${HOSTS[0]}:${port}`)
    expect(text).toContain(`Response origin: : ${HOSTS[1]}:${alternate}`)
    expect(text).toContain(`Other addr: : ${HOSTS[1]}:${alternate}`)
  })

  test('NAT-5780-07 it finds the same with padded requests', async () => {
    const [, port] = await discovering()
    const { text } = await discover(port, '-m', '-f', '-P')
    expect(text).toContain('NAT with Endpoint Independent Mapping!')
    expect(text).toContain('NAT with Endpoint Independent Filtering!')
  })

  test('NAT-5780-06 its lifetime test is answered at another port than it asked from', async () => {
    const [, port] = await discovering()
    const { text } = await discover(port, '-t', '-T', '1')
    // Asked for by another socket, and answered at the first one.
    expect(text).toContain('RFC 5780 response 2')
    expect(text).not.toContain('timeout')
  })

  test('NAT-5780-04 without rfc5780 it is told that the server has nothing of the kind', async () => {
    const [, port] = await discovering({ rfc5780: false })
    const { text } = await discover(port, '-m')
    expect(text).not.toContain('Other addr')
    expect(text).not.toContain('NAT with')
  })
})

describeWith(['stunClient'], 'the client of RFC 3489', () => {
  test('STUN-BIND-08 it finds that nothing is between us, through all four addresses', async () => {
    // Off by default: such requests cannot be told from random bytes.
    const [, port] = await discovering({ 'rfc3489-compatibility': true })
    const { text } = await run('/usr/bin/stun', [`${HOSTS[0]}:${port}`, '-v'])
    for (const found of ['test I = 1', 'test II = 1', 'test III = 1', 'is nat  = 0', 'Primary: Open'])
      expect(text).toContain(found)
  })
})

test('NAT-5780-05 SEC-10 over TCP what asks for another way back is refused', async () => {
  const [, port] = await discovering()
  const client = await NetworkClient.tcp({ port })
  const ask = (write: Parameters<typeof client.ask>[1]) => client.ask(Method.BINDING, write)
  expect((await ask((writer) => writer.uint32(Attribute.CHANGE_REQUEST, 6))).code).toBe(400)
  expect((await ask((writer) => writer.uint32(Attribute.RESPONSE_PORT, 0x9c400000))).code).toBe(400)
  expect((await ask(() => {})).attributes).toContain(Attribute.OTHER_ADDRESS)
})
