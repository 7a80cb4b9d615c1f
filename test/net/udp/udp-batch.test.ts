import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { describe, expect, onTestFinished, test } from 'vitest'
import { Traffic } from '../../../src/net/counters.ts'
import {
  closeDescriptor,
  keepErrors,
  localAddress,
  mergeDatagrams,
  openUdpDescriptor,
  reportHeaders,
} from '../../../src/net/linux/descriptors.ts'
import { linuxSupport } from '../../../src/net/linux/system-calls.ts'
import { openWakeUp, wake } from '../../../src/net/linux/wake-up.ts'
import { SocketErrors } from '../../../src/net/socket-errors.ts'
import { BatchSocket, UdpBatch } from '../../../src/net/udp/udp-batch.ts'
import { Address } from '../../../src/stun/address.ts'
import type { Relay } from '../../../src/turn/allocation.ts'
import { FiveTuple } from '../../../src/turn/five-tuple.ts'
import { canEnterNetworks, enterNewNetwork, ip } from '../../support/network.ts'
import { describeWith } from '../../support/peers.ts'
import { silentLog, UdpClient } from '../../support/sockets.ts'

type OnDatagram = (socket: BatchSocket, bytes: Buffer, start: number, end: number) => void

/** A batch with one socket per host, polled between the event loop's turns so that clients of this process get theirs. */
function openBatch(hosts: readonly string[], onDatagram: OnDatagram, onWake = () => {}, bufferSize = 4 << 20) {
  const errors = new SocketErrors(silentLog, () => 0)
  const wakeUp = openWakeUp()
  let expired = 0
  const onExpired = () => expired++
  const batch = new UdpBatch({ errors, clock: () => 0, wakeUp, onWake, onDatagram, onExpired })
  const traffic = new Traffic()
  const sockets = hosts.map((host, listener) => {
    const fd = openUdpDescriptor(Address.parse(host)!, { bufferSize, reusePort: false })
    const local = localAddress(fd)
    const client = new FiveTuple('udp', local.copy(), local, listener, 0)
    const socket = new BatchSocket(fd, local, traffic, client, null)
    batch.add(socket)
    return socket
  })
  let isOver = false
  const turn = () => {
    if (isOver) return
    batch.poll(0)
    setImmediate(turn)
  }
  turn()
  onTestFinished(() => {
    isOver = true
    for (const socket of sockets) {
      batch.remove(socket)
      closeDescriptor(socket.fd)
    }
    closeDescriptor(batch.descriptor)
    closeDescriptor(wakeUp)
  })
  return { batch, sockets, first: sockets[0]!, traffic, errors, wakeUp, expired: () => expired }
}

function addressOf(client: UdpClient, host = '127.0.0.1'): Address {
  return Address.parse(host, client.port)!
}

async function texts(client: UdpClient, count: number): Promise<string[]> {
  const all: string[] = []
  for (let i = 0; i < count; i++) all.push((await client.inbox.next()).bytes.toString('latin1'))
  return all
}

describe.runIf(linuxSupport().available)('UDP in batches', () => {
  test.each(['127.0.0.1', '::1'])(
    'NET-UDP-02 passes datagrams of the largest size whole both ways (%s)',
    async (host) => {
      const { batch, first, traffic } = openBatch([host], (socket, bytes, start, end) =>
        batch.send(socket, bytes, start, end, socket.from),
      )
      const client = await UdpClient.open(host)
      const largest = Buffer.alloc(65_507, 0x5a)
      client.send(largest, first.local.port, host)
      expect((await client.inbox.next()).bytes.equals(largest)).toBe(true)
      expect(traffic).toMatchObject({ receivedPackets: 1, receivedBytes: 65_507, sentPackets: 1, sentBytes: 65_507 })
    },
  )

  test('tells the sender of each of many interleaved datagrams, on several sockets', async () => {
    const seen: string[] = []
    const { batch, sockets } = openBatch(['127.0.0.1', '::1', '127.0.0.1'], (socket, bytes, start, end) => {
      seen.push(`${bytes.toString('latin1', start, end)} ${socket.from} ${socket.client!.listener}`)
      batch.send(socket, bytes, start, end, socket.from)
    })
    const hosts = ['127.0.0.1', '::1', '127.0.0.1']
    const clients = await Promise.all(hosts.map((host) => UdpClient.open(host)))
    for (let i = 0; i < 200; i++) {
      const at = i % 3
      clients[at]!.send(Buffer.from(String(i)), sockets[at]!.local.port, hosts[at]!)
    }
    for (const [at, client] of clients.entries()) {
      const mine = Array.from({ length: 200 }, (_, i) => i).filter((i) => i % 3 === at)
      expect(await texts(client, mine.length)).toEqual(mine.map(String))
      const from = Address.parse(hosts[at]!, client.port)
      expect(seen.filter((line) => line.endsWith(` ${at}`))).toEqual(mine.map((i) => `${i} ${from} ${at}`))
    }
  })

  test('a run of equal size to one destination arrives as the datagrams it was, in order', async () => {
    const { batch, first } = openBatch(['127.0.0.1'], () => {})
    const clients = await Promise.all([UdpClient.open(), UdpClient.open()])
    const words = Array.from({ length: 150 }, (_, i) => String(1000 + i))
    // Equal, then a shorter one, equal again, longer, empty.
    for (const word of [...words, 'x', 'y', 'z', 'longer', 'short', '', 'a', 'b']) {
      for (const client of clients) {
        const bytes = Buffer.from(word)
        batch.send(first, bytes, 0, bytes.length, addressOf(client))
      }
    }
    batch.flush()
    for (const client of clients) {
      expect(await texts(client, 158)).toEqual([...words, 'x', 'y', 'z', 'longer', 'short', '', 'a', 'b'])
    }
  })

  test('merged datagrams are handed out one by one', async () => {
    const seen: string[] = []
    const { batch, sockets, traffic } = openBatch(['127.0.0.1', '127.0.0.1'], (socket, bytes, start, end) => {
      seen.push(`${socket.client!.listener} ${bytes.toString('latin1', start, end)}`)
    })
    mergeDatagrams(sockets[1]!.fd)
    const words = ['aaaa', 'bbbb', 'cccc', 'dd', 'eeee']
    for (const word of words) batch.send(sockets[0]!, Buffer.from(word), 0, word.length, sockets[1]!.local)
    batch.flush()
    await expect.poll(() => seen).toEqual(words.map((word) => `1 ${word}`))
    expect(traffic).toMatchObject({ receivedPackets: 5, receivedBytes: 18 })
  })

  test('what does not lie in the slab is borrowed: overwritten at once it still arrives as it was', async () => {
    const { batch, first } = openBatch(['127.0.0.1'], () => {})
    const client = await UdpClient.open()
    const bytes = Buffer.alloc(300)
    for (let i = 0; i < 50; i++) {
      bytes.fill(i)
      batch.send(first, bytes, 10, 210, addressOf(client))
    }
    bytes.fill(0xff)
    batch.flush()
    for (let i = 0; i < 50; i++) expect((await client.inbox.next()).bytes.equals(Buffer.alloc(200, i))).toBe(true)
  })

  test('more than it can hold is sent in between, nothing is lost', async () => {
    const { batch, first, traffic } = openBatch(['127.0.0.1'], () => {})
    const clients = await Promise.all([UdpClient.open(), UdpClient.open()])
    const large = Buffer.alloc(40_000, 1)
    for (let i = 0; i < 40; i++) batch.send(first, large, 0, large.length, addressOf(clients[0]!))
    const small = Buffer.from('small')
    for (let i = 0; i < 1200; i++) batch.send(first, small, 0, small.length, addressOf(clients[1]!))
    batch.flush()
    expect(traffic.sentPackets).toBe(1240)
    const heard = async (client: UdpClient, least: number) => {
      for (let i = 0; i < least; i++) expect((await client.inbox.next()).bytes.length).toBeGreaterThan(0)
    }
    // The receivers' own buffers hold the beginning at least.
    await heard(clients[0]!, 3)
    await heard(clients[1]!, 100)
    expect(traffic.overflowPackets).toBe(0)
  })

  test('one that cannot be sent is counted and the others go out', async () => {
    const { batch, first, errors } = openBatch(['127.0.0.1'], () => {})
    const client = await UdpClient.open()
    const nowhere = Address.parse('192.0.2.1', 9)!
    const send = (text: string, to: Address) => batch.send(first, Buffer.from(text), 0, text.length, to)
    send('one', addressOf(client))
    for (let i = 0; i < 3; i++) send('lost', nowhere)
    send('two', addressOf(client))
    batch.flush()
    expect(await texts(client, 2)).toEqual(['one', 'two'])
    expect([...errors.counts.udp.values()]).toEqual([3])
    // The next flush begins afresh.
    send('three', addressOf(client))
    batch.flush()
    expect(await texts(client, 1)).toEqual(['three'])
  })

  test('nothing is sent to port 0 or through a socket of the other family', async () => {
    const { batch, first, errors, traffic } = openBatch(['127.0.0.1'], () => {})
    batch.send(first, Buffer.from('x'), 0, 1, Address.parse('127.0.0.1', 0)!)
    batch.send(first, Buffer.from('x'), 0, 1, Address.parse('::1', 9)!)
    batch.flush()
    expect(traffic.sentPackets).toBe(0)
    expect(errors.counts.udp.size).toBe(0)
  })

  test('one datagram with DF leaves behind those that wait', async () => {
    const { batch, first } = openBatch(['127.0.0.1'], () => {})
    const client = await UdpClient.open()
    batch.send(first, Buffer.from('before'), 0, 6, addressOf(client))
    batch.sendUnfragmented(first, Buffer.from('whole'), 0, 5, addressOf(client))
    batch.send(first, Buffer.from('after'), 0, 5, addressOf(client))
    batch.flush()
    expect(await texts(client, 3)).toEqual(['before', 'whole', 'after'])
  })

  test('TURN-ICMP-04 what an ICMP message leaves behind costs no datagram, with DF or without', async () => {
    const { batch, first, errors } = openBatch(['127.0.0.1'], () => {})
    keepErrors(first.fd, 4)
    const client = await UdpClient.open()
    const gone = openUdpDescriptor(Address.parse('127.0.0.1')!, { bufferSize: 0, reusePort: false })
    const nobody = localAddress(gone)
    closeDescriptor(gone)
    const refused = () => {
      batch.send(first, Buffer.from('lost'), 0, 4, nobody)
      batch.flush()
    }
    refused()
    batch.sendUnfragmented(first, Buffer.from('whole'), 0, 5, addressOf(client))
    refused()
    batch.send(first, Buffer.from('after'), 0, 5, addressOf(client))
    batch.flush()
    expect(await texts(client, 2)).toEqual(['whole', 'after'])
    expect(errors.entries).toEqual([])
  })

  test('RES-08 a ring of relays ends when the hop limit does', async () => {
    let hops = 0
    const { batch, first, traffic, expired } = openBatch(['127.0.0.1'], (socket, bytes, start, end) => {
      hops++
      // What a client's socket gets goes through the relay's to the relay's own, and back in the same way.
      const through = socket === first ? relay : first
      if (hops < 1000) batch.send(through, bytes, start, end, through.local)
    })
    const fd = openUdpDescriptor(Address.parse('127.0.0.1')!, { bufferSize: 1 << 20, reusePort: false })
    // All that a batch asks of a relay is whether there is one.
    const relay = new BatchSocket(fd, localAddress(fd), traffic, null, {} as Relay)
    batch.add(relay)
    for (const socket of [first, relay]) reportHeaders(socket.fd, 4)
    const client = await UdpClient.open()
    client.socket.setTTL(20)
    client.send(Buffer.from('round'), first.local.port)
    await expect.poll(expired).toBe(1)
    expect(hops).toBe(20)
    batch.remove(relay)
    closeDescriptor(fd)
  })

  test('a message for the thread wakes it', async () => {
    let woken = 0
    const { wakeUp } = openBatch(
      ['127.0.0.1'],
      () => {},
      () => woken++,
    )
    for (const times of [1, 2, 3]) {
      wake(wakeUp)
      await expect.poll(() => woken).toBe(times)
    }
  })

  test('a socket removed while its datagrams are handed out gets no more of them', async () => {
    const seen: string[] = []
    const opened = openBatch(['127.0.0.1'], (socket, bytes, start, end) => {
      seen.push(bytes.toString('latin1', start, end))
      if (socket.token >= 0 && seen.length === 2) opened.batch.remove(socket)
    })
    const other = new BatchSocket(
      openUdpDescriptor(Address.parse('127.0.0.1')!, { bufferSize: 1 << 20, reusePort: false }),
      opened.first.local,
      opened.traffic,
      null,
      null,
    )
    const client = await UdpClient.open()
    for (let i = 0; i < 5; i++) client.send(Buffer.from(String(i)), opened.first.local.port)
    await expect.poll(() => seen.length).toBe(2)
    // Its place is free for another one.
    opened.batch.add(other)
    client.send(Buffer.from('for other'), localAddress(other.fd).port)
    await expect.poll(() => seen).toEqual(['0', '1', 'for other'])
    opened.batch.remove(other)
    closeDescriptor(other.fd)
  })

  test('every buffer that the kernel knows outlives garbage collection under traffic', async () => {
    setFlagsFromString('--expose-gc')
    const collect = runInNewContext('gc') as () => void
    const { batch, first } = openBatch(['127.0.0.1'], (socket, bytes, start, end) => {
      batch.send(socket, bytes, start, end, socket.from)
      // Something else may now be where a buffer that nobody holds was.
      for (let i = 0; i < 10; i++) Buffer.alloc(64 * 1024, 0xee)
      if (Math.random() < 0.2) collect()
    })
    const client = await UdpClient.open()
    for (let round = 0; round < 40; round++) {
      for (let i = 0; i < 10; i++) client.send(Buffer.alloc(100 + i, round), first.local.port)
      collect()
      for (let i = 0; i < 10; i++) {
        expect((await client.inbox.next()).bytes.equals(Buffer.alloc(100 + i, round))).toBe(true)
      }
    }
  })
})

describe.runIf(linuxSupport().available && canEnterNetworks())('a datagram that the system has no room for', () => {
  describeWith(['iproute'], 'as a long one in fragments through a small buffer', () => {
    test('SEC-33 ENOBUFS is no failure: it alone is lost, counted and not taken for sent', async () => {
      enterNewNetwork()
      ip('link set lo mtu 1280')
      const { batch, first, traffic, errors } = openBatch(
        ['127.0.0.1'],
        () => {},
        () => {},
        1,
      )
      const client = await UdpClient.open()
      const long = Buffer.alloc(40_000)
      batch.send(first, Buffer.from('one'), 0, 3, addressOf(client))
      batch.send(first, long, 0, long.length, addressOf(client))
      batch.send(first, Buffer.from('two'), 0, 3, addressOf(client))
      batch.flush()
      expect(await texts(client, 2)).toEqual(['one', 'two'])
      expect(traffic).toMatchObject({ sentPackets: 2, sentBytes: 6, overflowPackets: 1 })
      expect(errors.entries).toEqual([])
    })
  })
})
