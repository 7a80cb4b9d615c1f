import { connect as netConnect } from 'node:net'
import type { TLSSocket } from 'node:tls'
import { afterAll, expect, test } from 'vitest'
import type { TlsOptions } from '../../../src/net/stream/tls-context.ts'
import { encryptedKey, exampleEc, localhostEc } from '../../support/certificates.ts'
import {
  bindingRequest,
  connectTcp,
  connectTls,
  echo,
  expectNoSockets,
  localStream,
  portOf,
  startRecorder,
} from '../../support/sockets.ts'

afterAll(expectNoSockets)

async function serving(tls: Partial<TlsOptions> = {}, limits = {}) {
  const options: TlsOptions = { certificates: [localhostEc], ...tls }
  const portable = await startRecorder({ streams: [localStream], tls: options, limits })
  echo(portable.driver.turn)
  return { portable, port: portOf(portable, 'tcp'), options }
}

async function echoes(connection: {
  socket: { write(bytes: Buffer): unknown }
  read(length: number): Promise<Buffer>
}) {
  connection.socket.write(bindingRequest())
  return (await connection.read(20)).equals(bindingRequest())
}

const names = (connection: { socket: unknown }) => (connection.socket as TLSSocket).getPeerCertificate().subjectaltname

test('a wrong passphrase, or a key of another certificate, stops the start', async () => {
  const locked = { cert: localhostEc.cert, key: encryptedKey, passphrase: 'wrong' }
  await expect(serving({ certificates: [locked] })).rejects.toThrow()
  await expect(serving({ certificates: [{ cert: localhostEc.cert, key: exampleEc.key }] })).rejects.toThrow()
})

test('NET-TLS-03 new certificates are for new connections; live ones notice nothing', async () => {
  const { portable, port } = await serving()
  const before = await connectTls(port)
  expect(names(before)).toContain('localhost')
  portable.driver.reload({ certificates: [exampleEc] })
  const after = await connectTls(port)
  expect(names(after)).toContain('turn.example.org')
  expect(await echoes(before)).toBe(true)
  expect(await echoes(after)).toBe(true)
})

test('NET-TLS-03 certificates that cannot be used change nothing', async () => {
  const { portable, port } = await serving()
  expect(() => portable.driver.reload({ certificates: [{ cert: exampleEc.cert, key: localhostEc.key }] })).toThrow()
  expect(() => portable.driver.reload({ certificates: [{ cert: 'nonsense', key: 'nonsense' }] })).toThrow()
  expect(names(await connectTls(port))).toContain('localhost')
})

test('NET-TLS-03 TLS may come and go while plain TCP goes on', async () => {
  const { portable, port } = await serving()
  portable.driver.reload(null)
  await expect(connectTls(port)).rejects.toThrow()
  expect(await echoes(await connectTcp(port))).toBe(true)
  portable.driver.reload({ certificates: [localhostEc] })
  expect(await echoes(await connectTls(port))).toBe(true)
})

test.each([
  ['turn.example.org', 'turn.example.org'],
  ['TURN.Example.Org', 'turn.example.org'],
  ['a.example.net', 'turn.example.org'],
  ['localhost', 'DNS:localhost'],
  ['a.b.example.net', 'DNS:localhost'],
  ['elsewhere.example', 'DNS:localhost'],
  ['-', 'DNS:localhost'],
  ['..', 'DNS:localhost'],
  ['%00', 'DNS:localhost'],
  ['x'.repeat(255), 'DNS:localhost'],
])(
  'NET-TLS-04 SEC-37 for the host name %j there is a certificate, and no odd name throws',
  async (servername, expected) => {
    const { port } = await serving({ certificates: [localhostEc, exampleEc] })
    expect(names(await connectTls(port, { servername }))).toContain(expected)
  },
)

test('NET-TLS-04 without a host name the first certificate is shown', async () => {
  const { port } = await serving({ certificates: [exampleEc, localhostEc] })
  expect(names(await connectTls(port))).toContain('turn.example.org')
})

test('NET-TCP-06 NET-TCP-07 the core hears once of the end of a TLS connection', async () => {
  const { portable, port } = await serving()
  for (const end of ['end', 'destroy', 'reset'] as const) {
    const raw = netConnect({ port, host: '127.0.0.1' })
    const connection = await connectTls(port, { socket: raw })
    await echoes(connection)
    if (end === 'reset') raw.resetAndDestroy()
    else connection.socket[end]()
    await portable.driver.turn.closed.next()
  }
  expect(portable.driver.turn.closedCount).toBe(3)
  expect(portable.driver.counters.openConnections).toEqual({ tcp: 0, tls: 0 })
})
