import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { expect, onTestFinished, test } from 'vitest'
import { Attribute } from '../../src/stun/constants.ts'
import { NetworkClient } from '../support/network-client.ts'
import { describeWith, peers } from '../support/peers.ts'
import { startForTest, testUser } from '../support/server.ts'
import { UdpClient } from '../support/sockets.ts'
import type { Answer } from '../support/turn-client.ts'

const login = { username: testUser.name, password: testUser.password }
const relayed = (answer: Answer) => answer.address(Attribute.XOR_RELAYED_ADDRESS)!

/** Wants 127.0.0.1:PORT until it has it. */
const GREEDY = `
import socket, sys, time
print('trying', flush=True)
while True:
    it = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    it.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        it.bind(('127.0.0.1', int(sys.argv[1])))
        print('bound', flush=True)
        sys.stdin.read()
        break
    except OSError:
        it.close()
        time.sleep(0.0005)
`

async function greedy(port: number) {
  const program = spawn(peers.python.path, ['-c', GREEDY, String(port)], { stdio: ['pipe', 'pipe', 'inherit'] })
  onTestFinished(() => void program.kill())
  let said = ''
  program.stdout.setEncoding('utf8').on('data', (text: string) => {
    said += text
  })
  await once(program.stdout, 'data')
  return {
    get has() {
      return said.includes('bound')
    },
    end: async () => {
      program.stdin.end()
      program.kill()
      await once(program, 'exit')
    },
  }
}

describeWith(['python'], 'a reserved port and a program that wants it', () => {
  test('TURN-EVEN-02 the kernel keeps it until the token comes, to whichever thread', async () => {
    const server = await startForTest({ 'relay-threads': '3' })
    const client = () => NetworkClient.udp({ port: server.ports.udp, login })
    for (let round = 0; round < 8; round++) {
      const [even, odd] = [await client(), await client()]
      const pair = await even.allocate((writer) => writer.uint8(Attribute.EVEN_PORT, 0x80))
      const token = pair.message.value(Attribute.RESERVATION_TOKEN)!
      const port = relayed(pair).port + 1
      const program = await greedy(port)
      if (round % 2 === 0) await even.refresh(0)
      const reserved = await odd.allocate((writer) => writer.bytes(Attribute.RESERVATION_TOKEN, Buffer.from(token)))
      expect([reserved.code, relayed(reserved).port]).toEqual([200, port])
      // It relays like any other.
      const peer = await UdpClient.open()
      expect((await odd.bind(0x4000, `127.0.0.1:${peer.port}`)).code).toBe(200)
      odd.sendOn(0x4000, 'out')
      expect((await peer.inbox.next()).from.port).toBe(port)
      peer.send(Buffer.from('back'), port)
      expect((await odd.data.next()).includes('back')).toBe(true)
      expect(program.has).toBe(false)
      // Given back, it is anybody's.
      await odd.refresh(0)
      await expect.poll(() => program.has, { timeout: 10_000 }).toBe(true)
      await program.end()
      if (round % 2 === 1) await even.refresh(0)
    }
    await server.expectNoAllocations()
  })
})
