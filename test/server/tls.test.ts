import { connect as connectSocket } from 'node:net'
import { Duplex } from 'node:stream'
import type { ConnectionOptions, TLSSocket } from 'node:tls'
import { expect, onTestFinished, test, vi } from 'vitest'
import { client, exampleEc } from '../support/certificates.ts'
import { certificateFile, startForTest, type TestOptions } from '../support/server.ts'
import { connectTcp, connectTls, expectBindingAnswer } from '../support/sockets.ts'

const EC: TestOptions = { cert: certificateFile('localhost-ec.crt'), pkey: certificateFile('localhost-ec.key') }

async function serving(options: TestOptions = {}) {
  const server = await startForTest({ ...EC, ...options })
  return { server, port: server.ports.tls }
}

const socketOf = ({ socket }: { readonly socket: unknown }) => socket as TLSSocket

test.each(['TLSv1.2', 'TLSv1.3'] as const)('NET-TLS-01 %s is spoken with ECDHE', async (version) => {
  for (const certificate of ['localhost-rsa', 'localhost-ec']) {
    const { port } = await serving({
      cert: certificateFile(`${certificate}.crt`),
      pkey: certificateFile(`${certificate}.key`),
    })
    const connection = await connectTls(port, { minVersion: version, maxVersion: version })
    expect(socketOf(connection).getProtocol()).toBe(version)
    expect(socketOf(connection).getEphemeralKeyInfo()).toMatchObject({ type: 'ECDH' })
    await expectBindingAnswer(connection)
  }
})

test('NET-TLS-01 TLS 1.1 is refused, unless the operator wants it', async () => {
  const old = { minVersion: 'TLSv1', maxVersion: 'TLSv1.1', ciphers: 'DEFAULT@SECLEVEL=0' } as const
  const { server, port } = await serving()
  await expect(connectTls(port, old)).rejects.toThrow()
  await vi.waitFor(async () => expect((await server.net()).closedConnections.handshake).toBe(1))
  const lenient = await serving({ tlsv1_1: true, 'cipher-list': 'DEFAULT@SECLEVEL=0' })
  await expectBindingAnswer(await connectTls(lenient.port, old))
})

test('NET-TLS-01 no client makes a handshake cost a hundred signatures, unless the operator lets it', async () => {
  const rsa = { cert: certificateFile('localhost-rsa.crt'), pkey: certificateFile('localhost-rsa.key') }
  const { port } = await serving(rsa)
  for (const ecdhCurve of ['ffdhe8192', 'ffdhe2048', 'P-521'])
    await expect(connectTls(port, { ecdhCurve, minVersion: 'TLSv1.3' })).rejects.toThrow()
  await expect(connectTls(port, { ciphers: 'AES128-GCM-SHA256', maxVersion: 'TLSv1.2' })).rejects.toThrow()
  for (const ecdhCurve of ['X25519', 'P-256', 'P-384']) await expectBindingAnswer(await connectTls(port, { ecdhCurve }))
  const lenient = await serving({ ...rsa, 'ec-curve-name': 'P-521', 'cipher-list': 'AES128-GCM-SHA256' })
  await expectBindingAnswer(await connectTls(lenient.port, { ecdhCurve: 'P-521', minVersion: 'TLSv1.3' }))
  await expectBindingAnswer(await connectTls(lenient.port, { ciphers: 'AES128-GCM-SHA256', maxVersion: 'TLSv1.2' }))
})

test('nor on HTTPS and the port of the Collider', async () => {
  const rsa = { cert: certificateFile('localhost-rsa.crt'), pkey: certificateFile('localhost-rsa.key') }
  const { server } = await serving(rsa)
  const { https, collider } = server.running.web!
  for (const { port } of [https!, collider!]) {
    for (const ecdhCurve of ['ffdhe8192', 'ffdhe2048', 'P-521'])
      await expect(connectTls(port, { ecdhCurve, minVersion: 'TLSv1.3' })).rejects.toThrow()
    await expect(connectTls(port, { ciphers: 'AES128-GCM-SHA256', maxVersion: 'TLSv1.2' })).rejects.toThrow()
    for (const ecdhCurve of ['X25519', 'P-256', 'P-384']) await connectTls(port, { ecdhCurve })
  }
  // A renewed certificate does not open them.
  await server.reload()
  await expect(connectTls(https!.port, { ecdhCurve: 'ffdhe8192', minVersion: 'TLSv1.3' })).rejects.toThrow()
})

test('NET-TLS-01 renegotiation is refused', async () => {
  const { port } = await serving()
  const connection = await connectTls(port, { maxVersion: 'TLSv1.2' })
  const error = await new Promise<Error | null>((resolve) => {
    connection.socket.once('error', resolve)
    socketOf(connection).renegotiate({ rejectUnauthorized: false }, resolve)
  })
  expect(error).toBeInstanceOf(Error)
})

test('NET-TLS-01 a cipher-list for TLS 1.2 leaves TLS 1.3 on', async () => {
  const { port } = await serving({ 'cipher-list': 'ECDHE-ECDSA-AES256-GCM-SHA384' })
  expect(socketOf(await connectTls(port)).getProtocol()).toBe('TLSv1.3')
  const older = socketOf(await connectTls(port, { maxVersion: 'TLSv1.2' }))
  expect(older.getCipher().name).toBe('ECDHE-ECDSA-AES256-GCM-SHA384')
})

test.each(['TLSv1.2', 'TLSv1.3'] as const)(
  'NET-TLS-01 NET-TLS-03 a %s session is resumed by whichever thread accepts, until certificates are reloaded',
  async (version) => {
    const { server, port } = await serving({ 'relay-threads': '3' })
    const connect = async (options: ConnectionOptions = {}) => {
      const connection = await connectTls(port, { minVersion: version, maxVersion: version, ...options })
      // With TLS 1.3 tickets come after the handshake, and before whatever is said then.
      await expectBindingAnswer(connection)
      return socketOf(connection)
    }
    const first = await connect()
    expect(first.isSessionReused()).toBe(false)
    const session = first.getSession()!
    const labelled = { ALPNProtocols: ['stun.turn'] }
    // All of them come to one thread of three once in 3^29 runs.
    const others = await Promise.all(
      Array.from({ length: 30 }, (_, i) => connect({ session, ...(i % 2 === 0 ? labelled : {}) })),
    )
    expect(others.map((socket) => socket.isSessionReused())).toEqual(others.map(() => true))
    const named = (await connect({ servername: 'localhost' })).getSession()!
    for (let i = 0; i < 10; i++) {
      expect((await connect({ session: named, servername: 'localhost' })).isSessionReused()).toBe(true)
    }
    await server.reload()
    await server.readings()
    expect((await connect({ session })).isSessionReused()).toBe(false)
  },
)

test('NET-TLS-01 what seals sessions lasts a day', async () => {
  const timers = vi.spyOn(globalThis, 'setInterval')
  onTestFinished(() => timers.mockRestore())
  const { server, port } = await serving({ 'relay-threads': '3' })
  const resumed = async (session?: Buffer) => {
    const connection = await connectTls(port, session === undefined ? {} : { session })
    await expectBindingAnswer(connection)
    return socketOf(connection)
  }
  const session = (await resumed()).getSession()!
  expect((await resumed(session)).isSessionReused()).toBe(true)
  for (const [daily] of timers.mock.calls.filter(([, delay]) => delay === 86_400_000)) daily()
  await server.readings()
  const next = await resumed(session)
  expect(next.isSessionReused()).toBe(false)
  expect((await resumed(next.getSession()!)).isSessionReused()).toBe(true)
})

test('the key may have a passphrase', async () => {
  const { port } = await serving({ pkey: certificateFile('localhost-ec-encrypted.key'), 'pkey-pwd': 'turn-test' })
  await expectBindingAnswer(await connectTls(port))
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
  const { port } = await serving()
  for (const maxVersion of ['TLSv1.2', 'TLSv1.3'] as const) {
    const connection = await connectTls(port, { maxVersion, ...(offered && { ALPNProtocols: offered }) })
    expect(socketOf(connection).alpnProtocol).toBe(taken)
    await expectBindingAnswer(connection)
  }
})

test('NET-TLS-02 a ClientHello in pieces is put together first', async () => {
  const { port } = await serving()
  const raw = connectSocket({ port, host: '127.0.0.1', noDelay: true })
  onTestFinished(() => void raw.destroy())
  // A network that delivers the ClientHello in two pieces, the first of them without any label.
  let isHello = true
  const pieces = new Duplex({
    read: () => {},
    write: async (bytes: Buffer, _encoding, done) => {
      if (isHello) raw.write(bytes.subarray(0, 60))
      // When this one has its answer, the server has read the first piece.
      if (isHello) await expectBindingAnswer(await connectTcp(port))
      raw.write(isHello ? bytes.subarray(60) : bytes)
      isHello = false
      done()
    },
  })
  raw.on('data', (bytes) => pieces.push(bytes))
  const connection = await connectTls(0, { socket: pieces, ALPNProtocols: ['stun.turn'] })
  expect(socketOf(connection).alpnProtocol).toBe('stun.turn')
  await expectBindingAnswer(connection)
})

test('CA-file admits only clients with a certificate of that authority', async () => {
  const { server, port } = await serving({ 'CA-file': certificateFile('client-ca.crt') })
  const { cert, key } = client
  await expectBindingAnswer(await connectTls(port, { cert, key }))
  // TLS 1.3 clients think that they are done before the server has seen their certificate.
  const without = await connectTls(port, { maxVersion: 'TLSv1.3' }).catch(() => null)
  await without?.closed
  const wrong = await connectTls(port, { cert: exampleEc.cert, key: exampleEc.key }).catch(() => null)
  await wrong?.closed
  await vi.waitFor(async () => expect((await server.net()).openConnections).toMatchObject({ tcp: 0, tls: 1 }))
  expect((await server.counters()).bindingRequests).toBe(1)
})

test('NET-TCP-11 a handshake that fails costs its connection and nothing else', async () => {
  const { server, port } = await serving()
  const garbage = await connectTcp(port)
  garbage.socket.write(Buffer.concat([Buffer.from('1603010040', 'hex'), Buffer.alloc(64, 0xff)]))
  await garbage.closed
  const tooLong = await connectTcp(port)
  tooLong.socket.write(Buffer.from('160301ffff', 'hex'))
  await tooLong.closed
  const gone = await connectTcp(port)
  gone.socket.write(Buffer.from('1603010040', 'hex'))
  gone.socket.resetAndDestroy()
  await vi.waitFor(async () => expect((await server.net()).openConnections).toMatchObject({ tcp: 0, tls: 0 }))
  expect((await server.net()).closedConnections).toMatchObject({ handshake: 1, 'bad-first-bytes': 1 })
  await expectBindingAnswer(await connectTls(port))
})

test('NET-TCP-11 SEC-15 a handshake that takes too long is given up', async () => {
  const { server, port } = await serving({ 'handshake-timeout-seconds': '1' })
  // A whole record that begins a ClientHello longer than itself: the server has to wait for more.
  const slow = await connectTcp(port)
  slow.socket.write(Buffer.concat([Buffer.from('1603010040' + '010003fc0303', 'hex'), Buffer.alloc(58)]))
  await slow.closed
  await vi.waitFor(async () =>
    expect((await server.net()).closedConnections).toMatchObject({ handshake: 1, silent: 0 }),
  )
  expect((await server.net()).openConnections).toMatchObject({ tcp: 0, tls: 0 })
})
