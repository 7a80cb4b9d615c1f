import { type ChildProcess, spawn } from 'node:child_process'
import { createSocket, type Socket } from 'node:dgram'
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { Address } from '../../../src/stun/address.ts'
import type { FiveTuple } from '../../../src/turn/five-tuple.ts'
import { clientHello, cookieOf, record, records } from '../../support/client-hello.ts'
import { chain, DtlsHost } from '../../support/dtls-host.ts'
import { describeWith } from '../../support/peers.ts'

/** A DtlsHost behind a real socket that echoes every datagram, and the datagrams its clients sent. */
interface Wired {
  readonly host: DtlsHost
  readonly socket: Socket
  readonly port: number
  readonly received: { readonly bytes: Buffer; readonly from: Address }[]
  /** Loses a datagram on its way in or out when it answers true. */
  lose: (direction: 'in' | 'out', bytes: Buffer) => boolean
}

let wired: Wired
const programs: ChildProcess[] = []

beforeEach(async () => {
  wired = await wire(new DtlsHost())
})

afterEach(async () => {
  for (const program of programs.splice(0)) {
    if (program.exitCode === null && program.signalCode === null) {
      program.kill('SIGKILL')
      await once(program, 'exit')
    }
  }
  await unwire()
})

async function wire(host: DtlsHost): Promise<Wired> {
  const socket = createSocket('udp4')
  socket.bind(0, '127.0.0.1')
  await once(socket, 'listening')
  const made: Wired = { host, socket, port: (socket.address() as AddressInfo).port, received: [], lose: () => false }
  host.deliver = (to, bytes) => {
    if (!made.lose('out', bytes)) socket.send(bytes, to.port, to.host)
  }
  host.onData = (session, bytes) => void host.server.send(session, bytes, 0, bytes.length)
  socket.on('message', (bytes, from) => {
    if (made.lose('in', bytes)) return
    const address = Address.parse(from.address, from.port)!
    made.received.push({ bytes, from: address })
    host.receive(bytes, address)
  })
  return made
}

async function unwire(): Promise<void> {
  wired.host.server.close()
  wired.socket.close()
  await once(wired.socket, 'close')
}

/** Runs a program, collects what it prints, and waits for what a test needs to see in it. */
function run(command: string, ...words: string[]) {
  const program = spawn(command, words, { stdio: 'pipe' })
  programs.push(program)
  let output = ''
  program.stdout.on('data', (chunk: Buffer) => {
    output += chunk.toString('latin1')
  })
  program.stderr.on('data', (chunk: Buffer) => {
    output += chunk.toString('latin1')
  })
  return {
    output: () => output,
    write: (text: string) => program.stdin.write(text),
    endInput: () => program.stdin.end(),
    ended: async () => {
      if (program.exitCode === null) await once(program, 'exit')
    },
    prints: (text: string) =>
      until(
        () => output.includes(text),
        () => `${text} in: ${output}`,
      ),
  }
}

async function until(condition: () => boolean, what: () => string): Promise<void> {
  for (let tries = 0; !condition(); tries++) {
    if (tries > 1_500) throw new Error(`waited in vain for ${what()}`)
    await new Promise((resolve) => setTimeout(resolve, 10))
  }
}

const openssl = (...words: string[]) =>
  run('openssl', 's_client', '-dtls1_2', '-quiet', '-no_ign_eof', '-connect', `127.0.0.1:${wired.port}`, ...words)

/** Waits for the first session to open. */
const opened = () =>
  until(
    () => wired.host.server.counters.opened > 0,
    () => 'a session',
  )

/** Has a client send one datagram, which tells its 5-tuple. */
async function speak(client: ReturnType<typeof run>): Promise<FiveTuple> {
  await opened()
  client.write('hello\n')
  await client.prints('hello')
  return wired.host.data.at(-1)!.client
}

describeWith(['openssl'], 'openssl as the client', () => {
  test('NET-DTLS-01 shakes hands after a HelloVerifyRequest and exchanges datagrams, boundaries kept', async () => {
    const client = openssl()
    await opened()
    const lines = [`${'a'.repeat(1_400)}\n`, 'b\n', `${'c'.repeat(700)}\n`]
    for (const [index, line] of lines.entries()) {
      client.write(line)
      await until(
        () => wired.host.data.length > index,
        () => `datagram ${index}`,
      )
    }
    expect(wired.host.data.map(({ bytes }) => bytes.toString())).toEqual(lines)
    await client.prints('c'.repeat(700))
    expect(client.output()).toContain('a'.repeat(1_400))
    expect(cookieOf(wired.host.sent[0]!.bytes)).toHaveLength(20)
    expect(wired.host.sent[0]!.bytes.length).toBeLessThan(wired.received[0]!.bytes.length)
    const tuple = wired.host.data[0]!.client
    expect(tuple).toMatchObject({ transport: 'dtls', listener: 0, connection: 1, isStream: false })
    expect(tuple.client.port).toBe(wired.received[0]!.from.port)
  })

  test('NET-DTLS-02 close_notify ends the session, once, and is answered', async () => {
    const client = openssl()
    await opened()
    const tuple = await speak(client)
    client.endInput()
    await until(
      () => wired.host.closed.length > 0,
      () => 'the end',
    )
    await client.ended()
    expect(wired.host.closed).toHaveLength(1)
    expect(wired.host.closed[0]).toBe(tuple)
    expect(wired.host.sent.at(-1)!.bytes[0]).toBe(21)
    expect(wired.host.server.counters).toMatchObject({ sessions: 0, opened: 1, closed: 1 })
    const before = wired.host.sent.length
    wired.host.server.send(tuple, Buffer.from('late'), 0, 4)
    expect(wired.host.sent).toHaveLength(before)
    expect(wired.host.server.counters.sendFailed).toBe(1)
  })

  test('NET-DTLS-02 a client is told when we end its session, also from within its own datagram', async () => {
    const client = openssl()
    await opened()
    let closedInside = -1
    wired.host.onData = (tuple) => {
      wired.host.server.closeClient(tuple)
      wired.host.server.closeClient(tuple)
      closedInside = wired.host.closed.length
    }
    client.write('go away\n')
    await client.ended()
    // The core is told after the call in which it asked.
    expect(closedInside).toBe(0)
    expect(wired.host.closed).toEqual([wired.host.data[0]!.client])
    expect(wired.host.server.counters.sessions).toBe(0)
  })

  test('NET-DTLS-01 closing the endpoint says close_notify to every client', async () => {
    const client = openssl()
    await opened()
    wired.host.server.close()
    await client.ended()
    expect(wired.host.server.counters.sessions).toBe(0)
  })

  test('NET-DTLS-01 a lost flight is repeated by the sweep', async () => {
    await unwire()
    wired = await wire(new DtlsHost({ identity: chain }))
    let lost = 0
    wired.lose = (direction, bytes) => direction === 'out' && bytes[13] !== 3 && lost++ < 3
    const client = openssl()
    const sweeps = setInterval(() => wired.host.server.sweep(wired.host.now), 100)
    await opened().finally(() => clearInterval(sweeps))
    expect(lost).toBeGreaterThan(2)
    client.write('arrived\n')
    await client.prints('arrived')
  })

  test('NET-DTLS-01 a lost last flight is repeated when the client asks again', async () => {
    let lost = 0
    // ChangeCipherSpec opens the last flight.
    wired.lose = (direction, bytes) => direction === 'out' && bytes[0] === 20 && lost++ < 1
    const client = openssl()
    await until(
      () => lost > 1,
      () => 'the repetition',
    )
    client.write('arrived\n')
    await client.prints('arrived')
    expect(wired.host.server.counters.opened).toBe(1)
  })

  test('SEC-37 delivers a record once, however often it comes, and none that was tampered with', async () => {
    const client = openssl()
    await opened()
    client.write('first\n')
    await client.prints('first')
    const { bytes, from } = wired.received.at(-1)!
    for (let copy = 0; copy < 5; copy++) wired.host.receive(bytes, from)
    for (let at = 0; at < bytes.length; at++) {
      const tampered = Buffer.from(bytes)
      tampered[at]! ^= 0x10
      wired.host.receive(tampered, from)
    }
    expect(wired.host.data).toHaveLength(1)
    client.write('second\n')
    await client.prints('second')
    expect(wired.host.data.map((datagram) => datagram.bytes.toString())).toEqual(['first\n', 'second\n'])
  })

  test('SEC-37 numbers records of AES-GCM with a counter, never at random', async () => {
    const client = openssl('-cipher', 'ECDHE-ECDSA-AES128-GCM-SHA256')
    const tuple = await speak(client)
    const before = wired.host.sent.length
    for (let index = 0; index < 200; index++) wired.host.server.send(tuple, Buffer.from('x'), 0, 1)
    const sent = wired.host.sent.slice(before).map((datagram) => datagram.bytes)
    expect(sent).toHaveLength(200)
    const nonces = sent.map((bytes) => bytes.readBigUInt64BE(13))
    const sequences = sent.map((bytes) => bytes.readBigUInt64BE(3))
    for (let index = 1; index < 200; index++) {
      expect(BigInt.asUintN(64, nonces[index]! - nonces[index - 1]!)).toBe(1n)
      expect(sequences[index]! - sequences[index - 1]!).toBe(1n)
    }
  })

  test('SEC-14 forged datagrams in the name of an open session do not end it', async () => {
    // Without -nbio this client sleeps in a read after a record that it dropped, here our HelloVerifyRequest.
    const client = openssl('-nbio')
    await opened()
    const { from } = wired.received[0]!
    const hello = wired.received.find(({ bytes }) => bytes[0] === 22 && bytes[13] === 1)!.bytes
    const forged = [
      record(21, 0, 9, Buffer.of(2, 40)),
      record(21, 0, 9, Buffer.of(1, 0)),
      record(21, 1, 9, Buffer.of(2, 40)),
      record(20, 0, 9, Buffer.of(1)),
      record(23, 1, 1, Buffer.alloc(64, 3)),
      record(22, 1, 9, Buffer.alloc(64, 3)),
      record(22, 2, 0, Buffer.alloc(64, 3)),
      clientHello({ random: Buffer.alloc(32, 1) }),
      hello,
      ...wired.received.map(({ bytes }) => bytes),
    ]
    for (const bytes of forged) wired.host.receive(bytes, from)
    expect(wired.host.closed).toEqual([])
    client.write('still here\n')
    await client.prints('still here')
    expect(wired.host.server.counters).toMatchObject({ sessions: 1, handshakes: 0 })
  })

  test.each([
    'ECDHE-ECDSA-AES128-GCM-SHA256',
    'ECDHE-ECDSA-CHACHA20-POLY1305',
    'ECDHE-ECDSA-AES128-CCM',
    'ECDHE-ECDSA-AES128-CCM8',
    'ECDHE-ECDSA-AES128-SHA',
    'ECDHE-ECDSA-AES128-SHA256',
    'ECDHE-ECDSA-AES256-SHA384',
  ])('SEC-14 no forged record of any length ends an open session with %s', async (cipher) => {
    await unwire()
    const ciphers = 'ALL:@SECLEVEL=0'
    wired = await wire(new DtlsHost({ ciphers }))
    const client = openssl('-cipher', `${cipher}:@SECLEVEL=0`)
    await opened()
    const { from } = wired.received[0]!
    for (const type of [20, 21, 22, 23, 24, 25])
      for (const epoch of [0, 1, 2])
        for (let length = 0; length < 100; length++)
          wired.host.receive(record(type, epoch, 1_000 + length, Buffer.alloc(length, type)), from)
    expect(wired.host.closed).toEqual([])
    client.write('still here\n')
    await client.prints('still here')
    client.endInput()
    await until(
      () => wired.host.closed.length > 0,
      () => 'the end',
    )
    expect(wired.host.server.counters).toMatchObject({ sessions: 0, opened: 1, closed: 1 })
  })

  test('NET-DTLS-01 a client that comes back on the same port replaces its old session', async () => {
    const first = openssl('-bind', '127.0.0.1:0')
    const tuple = await speak(first)
    const { from } = wired.received[0]!
    // The program vanishes without close_notify and another one gets its port.
    programs[0]!.kill('SIGKILL')
    await first.ended()
    const second = openssl('-bind', `127.0.0.1:${from.port}`)
    await until(
      () => wired.host.server.counters.opened > 1,
      () => 'the second session',
    )
    expect(wired.host.closed).toEqual([tuple])
    second.write('me again\n')
    await second.prints('me again')
    expect(wired.host.server.counters.sessions).toBe(1)
  })

  test('NET-TCP-08 closes an idle session, unless it has an allocation', async () => {
    const client = openssl()
    const tuple = await speak(client)
    wired.host.allocations.add(tuple)
    wired.host.now = 60_000
    wired.host.server.sweep(wired.host.now)
    client.write('here\n')
    await client.prints('here')
    wired.host.allocations.clear()
    wired.host.now = 119_999
    wired.host.server.sweep(wired.host.now)
    expect(wired.host.closed).toEqual([])
    wired.host.now = 120_000
    wired.host.server.sweep(wired.host.now)
    expect(wired.host.closed).toEqual([tuple])
    await client.ended()
  })

  test('SEC-37 never renegotiates', async () => {
    const client = run('openssl', 's_client', '-dtls1_2', '-connect', `127.0.0.1:${wired.port}`)
    await opened()
    const [asked, answered] = [wired.received.length, wired.host.sent.length]
    client.write('R\n')
    await until(
      () => wired.host.sent.length > answered,
      () => 'an answer',
    )
    expect(wired.received[asked]!.bytes[0]).toBe(22)
    expect(wired.host.sent[answered]!.bytes[0]).toBe(21)
    expect(wired.host.server.counters).toMatchObject({ opened: 1, handshakes: 0 })
  })

  test('SEC-37 refuses DTLS 1.0', async () => {
    const words = ['-dtls1', '-cipher', 'ALL:@SECLEVEL=0', '-connect', `127.0.0.1:${wired.port}`]
    const client = run('openssl', 's_client', ...words)
    await client.ended()
    expect(client.output()).toMatch(/alert protocol version/)
    expect(wired.host.server.counters.opened).toBe(0)
  })

  test('NET-TLS-02 picks the protocol for TURN and goes on without a match', async () => {
    const match = run('openssl', 's_client', '-dtls1_2', '-alpn', 'h2,stun.turn', '-connect', `127.0.0.1:${wired.port}`)
    await match.prints('ALPN protocol: stun.turn')
    const none = run('openssl', 's_client', '-dtls1_2', '-alpn', 'h2', '-connect', `127.0.0.1:${wired.port}`)
    await none.prints('No ALPN negotiated')
    await until(
      () => wired.host.server.counters.opened === 2,
      () => 'both sessions',
    )
  })

  test('does not leave errors behind for other users of OpenSSL in this thread', async () => {
    const { createCipheriv, createDecipheriv, randomBytes } = await import('node:crypto')
    openssl()
    await opened()
    const { bytes, from } = wired.received.at(-1)!
    const tampered = Buffer.from(bytes)
    tampered[tampered.length - 1]! ^= 1
    wired.host.receive(tampered, from)
    const [key, iv] = [randomBytes(32), randomBytes(12)]
    const cipher = createCipheriv('aes-256-gcm', key, iv)
    const sealed = Buffer.concat([cipher.update('fine'), cipher.final()])
    const decipher = createDecipheriv('aes-256-gcm', key, iv).setAuthTag(cipher.getAuthTag())
    expect(Buffer.concat([decipher.update(sealed), decipher.final()]).toString()).toBe('fine')
  })
})

describeWith(['gnutls'], 'gnutls as the client', () => {
  const gnutls = () => run('gnutls-cli', '--udp', '--insecure', '-p', `${wired.port}`, '127.0.0.1')

  test('NET-DTLS-01 shakes hands after a HelloVerifyRequest and exchanges datagrams', async () => {
    const client = gnutls()
    await client.prints('Handshake was completed')
    expect(client.output()).toContain('DTLS1.2')
    client.write('one\n')
    await client.prints('one')
    client.write('two\n')
    await until(
      () => wired.host.data.length === 2,
      () => 'both datagrams',
    )
    expect(wired.host.data.map(({ bytes }) => bytes.toString())).toEqual(['one\n', 'two\n'])
    expect(cookieOf(wired.host.sent[0]!.bytes)).toHaveLength(20)
  })

  test('NET-DTLS-02 close_notify ends the session', async () => {
    const client = gnutls()
    await client.prints('Handshake was completed')
    client.endInput()
    await until(
      () => wired.host.closed.length === 1,
      () => 'the end',
    )
    expect(wired.host.server.counters).toMatchObject({ sessions: 0, opened: 1, closed: 1 })
    await client.ended()
  })

  test('NET-DTLS-01 takes a long flight in several datagrams', async () => {
    await unwire()
    wired = await wire(new DtlsHost({ identity: chain, limits: { mtu: 600 } }))
    const client = gnutls()
    await client.prints('Handshake was completed')
    const flights = wired.host.sent.map(({ bytes }) => bytes)
    expect(flights.every((bytes) => bytes.length <= 600 && records(bytes) !== null)).toBe(true)
    client.write('arrived\n')
    await client.prints('arrived')
  })
})
