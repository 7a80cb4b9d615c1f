import { connect as netConnect } from 'node:net'
import { Duplex } from 'node:stream'
import type { TLSSocket } from 'node:tls'
import { afterAll, expect, onTestFinished, test, vi } from 'vitest'
import type { TlsOptions } from '../../src/net/tls-context.ts'
import { client, clientCa, encryptedKey, exampleEc, localhostEc, localhostRsa } from '../support/certificates.ts'
import {
  bindingRequest,
  connectTcp,
  connectTls,
  echo,
  expectNoSockets,
  localStream,
  portOf,
  startRecorder,
} from '../support/sockets.ts'

afterAll(expectNoSockets)

async function serving(tls: Partial<TlsOptions> = {}, limits = {}) {
  const options: TlsOptions = { certificates: [localhostEc], ...tls }
  const driver = await startRecorder({ streams: [localStream], tls: options, limits })
  echo(driver.turn)
  return { driver, port: portOf(driver, 'tcp'), options }
}

async function echoes(connection: {
  socket: { write(bytes: Buffer): unknown }
  read(length: number): Promise<Buffer>
}) {
  connection.socket.write(bindingRequest())
  return (await connection.read(20)).equals(bindingRequest())
}

const names = (connection: { socket: unknown }) => (connection.socket as TLSSocket).getPeerCertificate().subjectaltname

test.each(['TLSv1.2', 'TLSv1.3'] as const)('NET-TLS-01 %s is spoken with ECDHE', async (version) => {
  for (const certificate of [localhostRsa, localhostEc]) {
    const { port } = await serving({ certificates: [certificate] })
    const connection = await connectTls(port, { minVersion: version, maxVersion: version })
    const socket = connection.socket as TLSSocket
    expect(socket.getProtocol()).toBe(version)
    expect(socket.getEphemeralKeyInfo()).toMatchObject({ type: 'ECDH' })
    expect(await echoes(connection)).toBe(true)
  }
})

test('NET-TLS-01 TLS 1.1 is refused, unless the operator wants it', async () => {
  const old = { minVersion: 'TLSv1', maxVersion: 'TLSv1.1', ciphers: 'DEFAULT@SECLEVEL=0' } as const
  const { driver, port } = await serving()
  await expect(connectTls(port, old)).rejects.toThrow()
  await vi.waitFor(() => expect(driver.counters.closedConnections.handshake).toBe(1))
  const lenient = await serving({ minVersion: 'TLSv1.1', ciphers: 'DEFAULT@SECLEVEL=0' })
  expect(await echoes(await connectTls(lenient.port, old))).toBe(true)
})

test('NET-TLS-01 renegotiation is refused', async () => {
  const { port } = await serving()
  const connection = await connectTls(port, { maxVersion: 'TLSv1.2' })
  const error = await new Promise<Error | null>((resolve) => {
    connection.socket.once('error', resolve)
    ;(connection.socket as TLSSocket).renegotiate({ rejectUnauthorized: false }, resolve)
  })
  expect(error).toBeInstanceOf(Error)
})

test('NET-TLS-01 a cipher-list for TLS 1.2 leaves TLS 1.3 on', async () => {
  const { port } = await serving({ ciphers: 'ECDHE-ECDSA-AES256-GCM-SHA384' })
  expect(((await connectTls(port)).socket as TLSSocket).getProtocol()).toBe('TLSv1.3')
  const older = (await connectTls(port, { maxVersion: 'TLSv1.2' })).socket as TLSSocket
  expect(older.getCipher().name).toBe('ECDHE-ECDSA-AES256-GCM-SHA384')
})

test('the key may have a passphrase', async () => {
  const { port } = await serving({
    certificates: [{ cert: localhostEc.cert, key: encryptedKey, passphrase: 'turn-test' }],
  })
  expect(await echoes(await connectTls(port))).toBe(true)
})

test('a wrong passphrase, or a key of another certificate, stops the start', async () => {
  const locked = { cert: localhostEc.cert, key: encryptedKey, passphrase: 'wrong' }
  await expect(serving({ certificates: [locked] })).rejects.toThrow()
  await expect(serving({ certificates: [{ cert: localhostEc.cert, key: exampleEc.key }] })).rejects.toThrow()
})

test.each([
  [['stun.turn'], 'stun.turn'],
  [['stun.nat-discovery'], 'stun.nat-discovery'],
  [['stun.nat-discovery', 'stun.turn'], 'stun.nat-discovery'],
  [['h2', 'stun.turn'], 'stun.turn'],
  [['h2', 'http/1.1'], false],
  [['x'.repeat(255)], false],
  [undefined, false],
])('NET-TLS-02 of the labels %j the server takes %j and goes on', async (offered, taken) => {
  for (const maxVersion of ['TLSv1.2', 'TLSv1.3'] as const) {
    const { port } = await serving()
    const connection = await connectTls(port, { maxVersion, ...(offered && { ALPNProtocols: offered }) })
    expect((connection.socket as TLSSocket).alpnProtocol).toBe(taken)
    expect(await echoes(connection)).toBe(true)
  }
})

test('NET-TLS-02 a ClientHello in pieces is put together first', async () => {
  const { port } = await serving()
  const raw = netConnect({ port, host: '127.0.0.1', noDelay: true })
  onTestFinished(() => void raw.destroy())
  // A network that delivers the ClientHello in two pieces, the first of them without any label.
  let isHello = true
  const pieces = new Duplex({
    read: () => {},
    write: async (bytes: Buffer, _encoding, done) => {
      if (isHello) raw.write(bytes.subarray(0, 60))
      // When this one has its answer, the server has read the first piece.
      if (isHello) await echoes(await connectTcp(port))
      raw.write(isHello ? bytes.subarray(60) : bytes)
      isHello = false
      done()
    },
  })
  raw.on('data', (bytes) => pieces.push(bytes))
  const connection = await connectTls(0, { socket: pieces, ALPNProtocols: ['stun.turn'] })
  expect((connection.socket as TLSSocket).alpnProtocol).toBe('stun.turn')
  expect(await echoes(connection)).toBe(true)
})

test('NET-TLS-03 new certificates are for new connections; live ones notice nothing', async () => {
  const { driver, port } = await serving()
  const before = await connectTls(port)
  expect(names(before)).toContain('localhost')
  driver.reload({ certificates: [exampleEc] })
  const after = await connectTls(port)
  expect(names(after)).toContain('turn.example.org')
  expect(await echoes(before)).toBe(true)
  expect(await echoes(after)).toBe(true)
})

test('NET-TLS-03 certificates that cannot be used change nothing', async () => {
  const { driver, port } = await serving()
  expect(() => driver.reload({ certificates: [{ cert: exampleEc.cert, key: localhostEc.key }] })).toThrow()
  expect(() => driver.reload({ certificates: [{ cert: 'nonsense', key: 'nonsense' }] })).toThrow()
  expect(names(await connectTls(port))).toContain('localhost')
})

test('NET-TLS-03 TLS may come and go while plain TCP goes on', async () => {
  const { driver, port } = await serving()
  driver.reload(null)
  await expect(connectTls(port)).rejects.toThrow()
  expect(await echoes(await connectTcp(port))).toBe(true)
  driver.reload({ certificates: [localhostEc] })
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

test('CA-file admits only clients with a certificate of that authority', async () => {
  const { driver, port } = await serving({ clientCa })
  const { cert, key } = client
  expect(await echoes(await connectTls(port, { cert, key }))).toBe(true)
  // TLS 1.3 clients think that they are done before the server has seen their certificate.
  const without = await connectTls(port, { maxVersion: 'TLSv1.3' }).catch(() => null)
  await without?.closed
  const wrong = await connectTls(port, { cert: exampleEc.cert, key: exampleEc.key }).catch(() => null)
  await wrong?.closed
  await vi.waitFor(() => expect(driver.counters.openConnections).toEqual({ tcp: 0, tls: 1 }))
  expect(driver.turn.received.length).toBe(1)
})

test('NET-TCP-11 a handshake that fails costs its connection and nothing else', async () => {
  const { driver, port } = await serving()
  const garbage = await connectTcp(port)
  garbage.socket.write(Buffer.concat([Buffer.from('1603010040', 'hex'), Buffer.alloc(64, 0xff)]))
  await garbage.closed
  const tooLong = await connectTcp(port)
  tooLong.socket.write(Buffer.from('160301ffff', 'hex'))
  await tooLong.closed
  const gone = await connectTcp(port)
  gone.socket.write(Buffer.from('1603010040', 'hex'))
  gone.socket.resetAndDestroy()
  await vi.waitFor(() => expect(driver.counters.openConnections).toEqual({ tcp: 0, tls: 0 }))
  expect(driver.counters.closedConnections).toMatchObject({ handshake: 1, 'bad-first-bytes': 1 })
  expect(await echoes(await connectTls(port))).toBe(true)
  expect(driver.turn.closedCount).toBe(0)
})

test('NET-TCP-11 SEC-15 a handshake that takes too long is given up', async () => {
  const { driver, port } = await serving({}, { handshakeMs: 50 })
  // A whole record that begins a ClientHello longer than itself: the server has to wait for more.
  const slow = await connectTcp(port)
  slow.socket.write(Buffer.concat([Buffer.from('1603010040' + '010003fc0303', 'hex'), Buffer.alloc(58)]))
  await slow.closed
  await vi.waitFor(() => expect(driver.counters.closedConnections).toMatchObject({ handshake: 1, silent: 0 }))
  expect(driver.counters.openConnections).toEqual({ tcp: 0, tls: 0 })
})

test('NET-TCP-06 NET-TCP-07 the core hears once of the end of a TLS connection', async () => {
  const { driver, port } = await serving()
  for (const end of ['end', 'destroy', 'reset'] as const) {
    const raw = netConnect({ port, host: '127.0.0.1' })
    const connection = await connectTls(port, { socket: raw })
    await echoes(connection)
    if (end === 'reset') raw.resetAndDestroy()
    else connection.socket[end]()
    await driver.turn.closed.next()
  }
  expect(driver.turn.closedCount).toBe(3)
  expect(driver.counters.openConnections).toEqual({ tcp: 0, tls: 0 })
})
