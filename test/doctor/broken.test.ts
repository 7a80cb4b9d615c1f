import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { createServer, request } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { expect, onTestFinished, test, vi } from 'vitest'
import { certificateUntil, examined, Patient } from './broken.ts'

const about = (complaints: readonly string[], subject: string) =>
  complaints.filter((line) => line.slice(2).startsWith(subject))

test('a healthy server: everything is tried and works, but nobody trusts its certificate', async () => {
  const patient = await Patient.on()
  await patient.start()
  const { exitCode, lines, complaints } = await patient.examined()
  expect(complaints.filter((line) => line.startsWith('✗'))).toEqual([])
  expect(exitCode).toBe(0)
  const good = lines.filter(({ level }) => level === 'ok').map(({ subject }) => subject)
  const ways = ['udp', 'tcp', 'tls', 'dtls'].map((transport) => `${transport} v4`)
  expect(good).toEqual(expect.arrayContaining(ways.flatMap((way) => [`STUN ${way}`, `TURN ${way}`])))
  expect(good).toEqual(expect.arrayContaining(['ports', 'page', 'room', 'signaling', 'iceconfig']))
  expect(about(complaints, 'certificate')).toEqual([expect.stringContaining('it is self-signed')])
  expect(lines.find(({ subject }) => subject === 'ports')!.text).toMatch(/^7 of 7 are ours \(process \d+\)$/)
})

test('against the address of its page: room, signaling and each URI that it hands out', async () => {
  const patient = await Patient.on()
  await patient.start()
  const { exitCode, lines, complaints } = await examined(`http://127.0.0.1:${patient.ports.http}/`)
  expect([exitCode, complaints.filter((line) => line.startsWith('✗'))]).toEqual([0, []])
  expect(lines.map(({ level, subject }) => `${level} ${subject}`)).toEqual(
    expect.arrayContaining([
      'ok page',
      'ok clock',
      'ok room',
      'ok signaling',
      'ok iceconfig',
      'ok TURN udp v4',
      'ok TURN tcp v4',
      'ok TURN tls v4',
    ]),
  )
})

test('it is not running', async () => {
  const patient = await Patient.on()
  const { exitCode, complaints } = await patient.examined()
  expect(exitCode).toBe(1)
  expect(about(complaints, 'ports')).toEqual([
    '✗ ports: all free: the server is not running → start it: webrtc-stack serve, or systemctl start webrtc-stack',
  ])
})

test('another program has its port', async () => {
  const patient = await Patient.on()
  const other = createSocket('udp4').bind(patient.ports.turn, '127.0.0.1')
  await once(other, 'listening')
  const { complaints } = await patient.examined()
  other.close()
  expect(about(complaints, 'ports')[0]).toMatch(
    new RegExp(
      `✗ ports: udp 127\\.0\\.0\\.1:${patient.ports.turn} belongs to .*\\(process ${process.pid}\\) → stop that program, or choose another port with listening-port=`,
    ),
  )
})

test('it runs with another secret than the file has', async () => {
  const patient = await Patient.on({ user: '' })
  await patient.start({ 'static-auth-secret': 'of-yesterday' })
  const { exitCode, complaints } = await patient.examined()
  expect(exitCode).toBe(1)
  expect(about(complaints, 'TURN udp')).toEqual([
    expect.stringMatching(
      /^✗ TURN udp v4: Allocate was refused with 401 Unauthenticated → the secret is not the server's static-auth-secret/,
    ),
  ])
})

test('its clock is two hours ahead', async () => {
  const patient = await Patient.on({ user: '' })
  const preload = 'const now = Date.now; Date.now = () => now() + 7_200_000'
  await patient.start({}, { preload })
  const { complaints } = await patient.examined()
  expect(about(complaints, 'TURN udp')).toEqual([
    expect.stringMatching(/or its clock is more than 10 min ahead of this one's/),
  ])
  expect(about(complaints, 'iceconfig')).toEqual([
    expect.stringMatching(/^! iceconfig: the server's clock is 7(?:19\d|200) s ahead of this one → set the wrong one/),
  ])
})

test('its certificate has ended', async () => {
  const patient = await Patient.on()
  const pair = await certificateUntil(patient.folder, -1)
  await patient.start(pair)
  const { exitCode, complaints } = await patient.examined()
  expect(exitCode).toBe(1)
  expect(about(complaints, 'certificate')).toEqual(
    expect.arrayContaining([expect.stringMatching(/^✗ certificate \d+: the certificate ended on .* → renew it/)]),
  )
})

test('its certificate ends in a week', async () => {
  const patient = await Patient.on()
  await patient.start(await certificateUntil(patient.folder, 7))
  const { complaints } = await patient.examined()
  expect(about(complaints, 'certificate')[0]).toMatch(/^! certificate \d+: the certificate ends in [67] days/)
})

test('its certificate is for another name', async () => {
  const patient = await Patient.on({ 'public-host': 'calls.example.invalid' })
  await patient.start()
  const { complaints } = await patient.examined()
  expect(about(complaints, 'certificate')).toEqual(
    expect.arrayContaining([
      expect.stringMatching(
        /^✗ certificate \d+: the certificate is not for calls\.example\.invalid, but for localhost/,
      ),
    ]),
  )
})

test('its TLS port is closed', async () => {
  const patient = await Patient.on()
  await patient.start({ 'no-tls': 'on' })
  const { complaints } = await patient.examined()
  expect(about(complaints, 'ports')).toEqual(
    expect.arrayContaining([
      `✗ ports: tcp 127.0.0.1:${patient.ports.tls} (TURN) is not open → restart the server: it runs with another configuration`,
    ]),
  )
  expect(about(complaints, 'TURN tls')).toEqual([
    expect.stringContaining(`nobody listens on 127.0.0.1:${patient.ports.tls} over tcp`),
  ])
})

test('a firewall drops what comes to its UDP port', async () => {
  const patient = await Patient.on({ user: '' })
  await patient.start({ 'no-udp': 'on', dtls: '' })
  const dropping = createSocket('udp4').bind(patient.ports.turn, '127.0.0.1')
  await once(dropping, 'listening')
  const { complaints } = await patient.examined()
  dropping.close()
  expect(about(complaints, 'TURN udp')).toEqual([
    `✗ TURN udp v4: no answer to Allocate from 127.0.0.1:${patient.ports.turn} over udp → let udp port ${patient.ports.turn} through each firewall and cloud rule, both ways`,
  ])
})

test('its external-ip is nobody', async () => {
  const patient = await Patient.on({ 'external-ip': '10.99.99.99' })
  await patient.start()
  const { complaints } = await patient.examined()
  expect(about(complaints, 'outside')).toEqual([
    '✗ outside: external-ip 10.99.99.99 is no public address: nobody outside reaches it → set it to the address that the world sees; --stun-server HOST asks for it',
  ])
  const asked = await patient.examined('--stun-server', `127.0.0.1:${patient.ports.turn}`)
  expect(about(asked.complaints, 'outside')).toEqual([
    expect.stringMatching(/^✗ outside: strangers see .*, external-ip says 10\.99\.99\.99 → external-ip=/),
  ])
})

test('no relay port is left', async () => {
  const patient = await Patient.on({ 'min-port': '31999', 'max-port': '31999' })
  await patient.start()
  const { complaints } = await patient.examined()
  expect(about(complaints, 'TURN udp')[0]).toMatch(
    /^✗ TURN udp v4: Allocate was refused with 508 Insufficient Capacity → .*widen min-port to max-port/,
  )
})

test('a user may have one allocation', async () => {
  const patient = await Patient.on({ 'user-quota': '1' })
  await patient.start()
  const { complaints } = await patient.examined()
  expect(about(complaints, 'TURN')[0]).toMatch(/refused with 486 Allocation Quota Reached → .*user-quota/)
})

test('it sends new clients to another server', async () => {
  const patient = await Patient.on({ 'alternate-server': '203.0.113.7:3478' })
  await patient.start()
  const { complaints } = await patient.examined()
  expect(about(complaints, 'TURN udp')).toEqual(
    expect.arrayContaining([expect.stringContaining('→ the server sends new clients to 203.0.113.7:3478')]),
  )
})

test('its pidfile names a process that is gone', async () => {
  const patient = await Patient.on()
  const pidfile = join(patient.folder, 'pid')
  await patient.start()
  writeFileSync(pidfile, '4194303\n')
  const { complaints } = await patient.examined('--pidfile', pidfile)
  expect(about(complaints, 'pidfile')).toEqual([
    expect.stringMatching(/^! pidfile: .* names process 4194303, which is gone → remove/),
  ])
})

test('it may open few files', async () => {
  const patient = await Patient.on()
  await patient.start({}, { descriptors: 512 })
  const { complaints } = await patient.examined()
  expect(about(complaints, 'nofile')).toEqual([
    expect.stringMatching(/^! nofile: the server may open 512 files and sockets: about 256 allocations → LimitNOFILE=/),
  ])
})

test('its database of accounts is away', async () => {
  const patient = await Patient.on({ 'redis-userdb': 'ip=127.0.0.1 port=1 connect_timeout=1' })
  await patient.start()
  const { complaints } = await patient.examined()
  expect(about(complaints, 'database')).toEqual([
    expect.stringMatching(/^✗ database: the account database .* → start it/),
  ])
})

test('it drains', async () => {
  const patient = await Patient.on()
  const running = await patient.start()
  running.kill('SIGUSR1')
  await vi.waitFor(() => expect(running.err).toContain('draining'))
  const { complaints, exitCode } = await patient.examined()
  expect(exitCode).toBe(1)
  expect(about(complaints, 'ready')).toEqual([
    expect.stringMatching(/not ready: draining → it takes no new calls: webrtc-stack undrain/),
  ])
  expect(about(complaints, 'TURN udp')[0]).toMatch(/Allocate was refused with 403 Forbidden → the server is draining/)
})

test('a proxy refuses WebSockets', async () => {
  const patient = await Patient.on()
  const proxy = createServer((incoming, outgoing) => {
    const { url, method, headers } = incoming
    const to = {
      port: patient.ports.http,
      host: '127.0.0.1',
      path: url,
      method,
      headers: { ...headers, connection: 'close' },
    }
    incoming.pipe(
      request(to, (answer) => {
        outgoing.writeHead(answer.statusCode!, answer.headers)
        answer.pipe(outgoing)
      }),
    )
  })
  proxy.on('upgrade', (_request, socket) => socket.end('HTTP/1.1 502 Bad Gateway\r\nConnection: close\r\n\r\n'))
  await once(proxy.listen(0, '127.0.0.1'), 'listening')
  onTestFinished(() => void proxy.close())
  const { port } = proxy.address() as AddressInfo
  await patient.start({ 'wss-host-port-pair': `127.0.0.1:${port}`, tls: 'off' })
  const { complaints } = await examined(`http://127.0.0.1:${port}/`)
  expect(about(complaints, 'signaling')).toEqual([
    expect.stringMatching(/the WebSocket is answered with 502 → let the proxy hand on Upgrade/),
  ])
})

test('it hands out TURN at a host that nobody knows', async () => {
  const patient = await Patient.on({ 'ice-server-urls': 'turn:turn.nobody.invalid:3478?transport=udp' })
  await patient.start()
  const { complaints } = await examined(`http://127.0.0.1:${patient.ports.http}/`)
  expect(about(complaints, 'DNS')).toEqual([expect.stringContaining('no address is known for turn.nobody.invalid')])
})

test('it hands out no TURN server', async () => {
  const patient = await Patient.on({ turn: 'off' })
  await patient.start()
  const { complaints } = await examined(`http://127.0.0.1:${patient.ports.http}/`)
  expect(about(complaints, 'iceconfig')[0]).toContain('the document names no TURN server')
})

test('something else answers at the address of the page', async () => {
  const other = createServer((_incoming, outgoing) => outgoing.writeHead(404).end('nothing'))
  await once(other.listen(0, '127.0.0.1'), 'listening')
  const { port } = other.address() as AddressInfo
  const { complaints } = await examined(`http://127.0.0.1:${port}`)
  other.close()
  expect(about(complaints, 'page')[0]).toMatch(/answers 404 → no call page is there/)
  expect(about(complaints, 'room')[0]).toContain('joining is answered with 404')
})

test('nothing answers at the address of the page', async () => {
  const patient = await Patient.on()
  const { exitCode, complaints } = await examined(`https://127.0.0.1:${patient.ports.https}/`)
  expect(exitCode).toBe(1)
  expect(about(complaints, 'page')[0]).toContain('nobody listens there')
})
