import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, onTestFinished, test } from 'vitest'
import { canEnterNetworks, MACHINE, ownMachine } from '../support/network.ts'
import { describeWith } from '../support/peers.ts'
import { program, type RunningProgram } from '../support/program.ts'
import { uclient } from '../support/turnutils.ts'

const SECRET = 'kept-by-the-homeserver-alone'
const LOGIN = ['-W', SECRET, '-u', 'me']

/** A turnserver.conf of the kind that guides and packages hand out, and what coturn's own client gets from it. */
interface Case {
  readonly name: string
  readonly conf: string
  readonly login?: readonly string[]
}

const restricted = (...lines: string[]) =>
  ['use-auth-secret', `static-auth-secret=${SECRET}`, 'realm=turn.example.org', ...lines, ''].join('\n')

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
  },
  { name: 'relay-ip=::', conf: restricted('relay-ip=::') },
  {
    name: 'loopback among the listening addresses',
    conf: restricted('listening-ip=127.0.0.1', `listening-ip=${MACHINE}`),
  },
]

describeWith(['coturn', 'iproute'], 'turnserver.conf files of the field, with nothing set beside them', () => {
  describe.skipIf(!canEnterNetworks())('on a machine of its own', () => {
    test.each(SERVED)('turnutils_uclient -y relays through: $name', { timeout: 60_000 }, async ({ conf, login }) => {
      const machine = await ownMachine()
      const running = await serving(conf, machine)
      // Each allocation is another draw of channel numbers and of relay addresses.
      const words = ['-y', '-c', '-m', '4', '-n', '2', ...(login ?? LOGIN), MACHINE]
      const { text, ...summary } = await uclient(words, undefined, machine)
      expect(summary, `${text}\n${running.err}`).toEqual({ code: 0, sent: 8, received: 8, lost: 0 })
    })
  })
})

async function serving(conf: string, network: number): Promise<RunningProgram> {
  const directory = mkdtempSync(join(tmpdir(), 'webrtc-stack-conf-'))
  onTestFinished(() => rmSync(directory, { recursive: true }))
  writeFileSync(join(directory, 'turnserver.conf'), conf)
  const running = program.start([], { directory, network })
  await running.listening()
  return running
}
