import { DtlsClientContext, MAX_DATAGRAM } from '../net/dtls/connection.ts'
import type { Address } from '../stun/address.ts'
import type { Link, LinkOptions } from './link.ts'
import { NoAnswer } from './transactions.ts'
import type { Wire } from './wire.ts'

const MTU = 1200
const HANDSHAKE_MS = 8000
const RETRANSMIT_MS = 250

/** A DTLS client on the OpenSSL inside node. Throws where `dtlsSupport()` says no, and NoAnswer. */
export async function openDtls(
  wire: Wire,
  local: Address,
  { server, onMessage }: Pick<LinkOptions, 'server' | 'onMessage'>,
): Promise<Link> {
  const context = new DtlsClientContext()
  const connection = context.connection(MTU)
  context.free()
  const plain = Buffer.alloc(MAX_DATAGRAM)
  const sealed = Buffer.alloc(MAX_DATAGRAM)
  let isOpen = false
  let hasAnswered = false
  let settle: (outcome: string) => void = () => {}

  const flush = () => {
    const length = connection.take(sealed)
    if (length > 0) socket.send(sealed, 0, length, server)
  }
  const handshake = () => {
    const outcome = connection.connect()
    flush()
    if (outcome !== 'waiting') settle(outcome)
  }
  const socket = await wire.open(local, (bytes, start, end, _from, now) => {
    hasAnswered = true
    connection.feed(bytes, start, end)
    if (!isOpen) return handshake()
    for (let length = connection.read(plain); length > 0; length = connection.read(plain))
      onMessage(plain, 0, length, now)
  })
  const close = async () => {
    await socket.close()
    connection.free()
  }
  const retransmission = setInterval(() => {
    connection.retransmit()
    flush()
  }, RETRANSMIT_MS)
  const patience = setTimeout(() => settle('late'), HANDSHAKE_MS)
  const outcome = await new Promise<string>((resolve) => {
    settle = resolve
    handshake()
  })
  clearInterval(retransmission)
  clearTimeout(patience)
  if (outcome !== 'done') {
    await close()
    throw outcome === 'late'
      ? new NoAnswer(hasAnswered ? 'the DTLS handshake after the first answer' : 'the DTLS ClientHello')
      : new Error(`the DTLS handshake failed: ${outcome}`)
  }
  isOpen = true
  return {
    transport: 'dtls',
    localPort: socket.local.port,
    send: (bytes, start, end) => {
      connection.write(bytes, start, end)
      flush()
    },
    close: async () => {
      connection.shutdown()
      flush()
      await close()
    },
  }
}
