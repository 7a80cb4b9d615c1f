import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, onTestFinished, test, vi } from 'vitest'
import { canEnterNetworks, MACHINE, ownMachine } from '../support/network.ts'
import { describeWith } from '../support/peers.ts'
import { program, type RunningProgram } from '../support/program.ts'
import { testCertificate } from '../support/server.ts'
import { uclient } from '../support/turnutils.ts'

const SECRET = 'kept-by-the-homeserver-alone'
const LOGIN: readonly string[] = ['-W', SECRET, '-u', 'me']

const turnserver = fileURLToPath(new URL('../../bin/turnserver.js', import.meta.url))

/** A turnserver.conf of the kind that guides and packages hand out, and what coturn's own client gets from it. */
interface Case {
  readonly name: string
  readonly conf: string
  readonly login?: readonly string[]
  /** Lines of the log. */
  readonly says?: readonly RegExp[]
}

const restricted = (...lines: string[]) =>
  ['use-auth-secret', `static-auth-secret=${SECRET}`, 'realm=turn.example.org', ...lines, ''].join('\n')
const certificate = [`cert=${testCertificate.cert}`, `pkey=${testCertificate.key}`]

const SERVED: readonly Case[] = [
  { name: 'a secret and a realm', conf: restricted() },
  {
    name: "a list of denied peers that ends with IPv4-mapped ones, in the guides' spelling",
    conf: restricted('denied-peer-ip=10.0.0.0-10.255.255.255', 'denied-peer-ip=::ffff:0.0.0.0-::ffff:255.255.255.255'),
  },
  {
    name: 'the same in hexadecimal, and as CIDR',
    conf: restricted('denied-peer-ip=::ffff:0:0-::ffff:ffff:ffff', 'denied-peer-ip=::ffff:0:0/96'),
  },
  { name: 'relay-ip=0.0.0.0', conf: restricted('relay-ip=0.0.0.0') },
  {
    name: 'listening-ip and relay-ip 0.0.0.0 behind external-ip',
    conf: restricted('listening-ip=0.0.0.0', 'relay-ip=0.0.0.0', `external-ip=${MACHINE}`),
    says: [/peers in private networks are refused.*allow-private-peers/],
  },
  { name: 'relay-ip=::', conf: restricted('relay-ip=::') },
  {
    name: 'loopback among the listening addresses',
    conf: restricted('listening-ip=127.0.0.1', `listening-ip=${MACHINE}`),
  },
  {
    name: 'a homeserver: TLS port, no certificate, a database, no cli',
    conf: restricted('tls-listening-port=5349', 'userdb=/var/lib/turn/turndb', 'no-cli', 'no-multicast-peers'),
    says: [/nothing listens on 5349 without a certificate/],
  },
  {
    name: 'a conference server beside nginx: UDP and TLS alone',
    conf: restricted('no-tcp', 'tls-listening-port=4445', 'no-tlsv1', 'no-tlsv1_1', ...certificate),
  },
  {
    name: 'a NAS: external-ip that a generator left empty, and a comment',
    conf: restricted('external-ip=', `listening-ip=${MACHINE} # LAN`, 'total-quota=0:0', 'stale-nonce'),
    says: [/external-ip\\": has no value and is ignored/, /listening-ip\\": the text from/, /is read as 0/],
  },
  {
    name: 'users alone, with a database beside them',
    conf: 'lt-cred-mech\nuser=phone:ring-ring\nrealm=turn.example.org\nuserdb=/tmp/turndb\n',
    login: ['-u', 'phone', '-w', 'ring-ring'],
  },
  {
    name: 'numbers of another mind',
    conf: restricted(
      'relay-threads=500',
      'user-quota=-1',
      'channel-lifetime=-1',
      'syslog-facility=daemon',
      'external-ip=0.0.0.0',
    ),
    says: [/the default is used/, /; 0 is used/, /as long as possible/, /0\.0\.0\.0 is no address/],
  },
]

describeWith(['coturn', 'iproute'], 'turnserver.conf files of the field, with nothing set beside them', () => {
  describe.skipIf(!canEnterNetworks())('on a machine of its own', () => {
    test.each(SERVED)(
      'turnutils_uclient -y relays through: $name',
      { timeout: 60_000 },
      async ({ conf, login, says }) => {
        const machine = await ownMachine()
        const running = start(conf, machine)
        await running.listening()
        for (const line of says ?? []) expect(running.err).toMatch(line)
        expect(running.err).toMatch(/coturn's keys alone: `serve` also opens the call page on port 8080/)
        await expectRelaying(running, machine, login)
      },
    )

    test('turnserver, with a command line of coturn, is TURN alone', { timeout: 60_000 }, async () => {
      const machine = await ownMachine()
      const words = ['-a', '-o', '-v', '-n', '', '-u', 'test:test', '-r', 'example.org', "--external-ip='192.0.2.10'"]
      const running = program.start(words, { binary: turnserver, network: machine })
      await vi.waitFor(() => expect(running.out).toContain('turn:192.0.2.10:3478?transport=udp'), { timeout: 15_000 })
      await expectRelaying(running, machine, ['-u', 'test', '-w', 'test'])
      expect(running.out).not.toMatch(/http|ws:/)
      expect(listeningPorts(machine)).toEqual([3478])
      expect(running.err).toMatch(/Type=simple, not forking/)
      expect(running.err).toMatch(/the quotes around the value are left out/)
      expect(running.err).toMatch(/a blank argument of the command line is ignored/)
    })

    test('turnserver with the file of a homeserver opens neither page nor signaling', { timeout: 60_000 }, async () => {
      const machine = await ownMachine()
      const running = start(restricted('no-tcp', 'tls-listening-port=5349', ...certificate), machine, turnserver)
      await vi.waitFor(() => expect(running.out).toContain('turns:'), { timeout: 15_000 })
      await expectRelaying(running, machine)
      expect(listeningPorts(machine)).toEqual([5349])
      expect(running.err).not.toContain("coturn's keys alone")
    })

    test('a port of ours that is taken is told with its server and the ways out', { timeout: 60_000 }, async () => {
      const machine = await ownMachine()
      const other = program.start(['-n', '--no-turn', '--no-signaling'], { network: machine })
      await vi.waitFor(() => expect(other.out).toContain('8080'), { timeout: 15_000 })
      const running = start(restricted(), machine)
      await running.ended
      expect(running.exitCode).toBe(1)
      expect(running.err.trim().split('\n').at(-1)).toMatch(
        /^webrtc-stack: cannot listen on tcp 0\.0\.0\.0:8080: EADDRINUSE \(wanted for the call page\); .* or choose another port with http-port=, or do without: rooms=off \(TURN alone: `webrtc-stack turnserver`\)$/,
      )
      const alone = start(restricted(), machine, turnserver)
      await vi.waitFor(() => expect(alone.out).toContain('turn:'), { timeout: 15_000 })
    })
  })
})

test('turnserver FILE says how a file is named, and exits with 2', async () => {
  const running = await program.run(['/etc/turnserver.conf'], { binary: turnserver })
  expect([running.exitCode, running.err.trim()]).toEqual([
    2,
    'webrtc-stack: "/etc/turnserver.conf" alone means nothing: a file is named with -c /etc/turnserver.conf',
  ])
})

function start(conf: string, network: number, binary?: string): RunningProgram {
  const directory = mkdtempSync(join(tmpdir(), 'webrtc-stack-conf-'))
  onTestFinished(() => rmSync(directory, { recursive: true }))
  writeFileSync(join(directory, 'turnserver.conf'), conf)
  return program.start([], { directory, network, ...(binary === undefined ? {} : { binary }) })
}

/** Each allocation is another draw of channel numbers and of relay addresses. */
async function expectRelaying(running: RunningProgram, machine: number, login = LOGIN): Promise<void> {
  const words = ['-y', '-c', '-m', '4', '-n', '2', ...login, MACHINE]
  const { text, ...summary } = await uclient(words, undefined, machine)
  expect(summary, `${text}\n${running.err}`).toEqual({ code: 0, sent: 8, received: 8, lost: 0 })
}

/** Where something accepts TCP connections in the network of a process. */
function listeningPorts(network: number): number[] {
  const table = readFileSync(`/proc/${network}/net/tcp`, 'utf8')
  const ports = [...table.matchAll(/^ *\d+: [0-9A-F]{8}:([0-9A-F]{4}) [0-9A-F:]+ 0A /gm)]
  return [...new Set(ports.map(([, port]) => Number.parseInt(port!, 16)))].toSorted((a, b) => a - b)
}
