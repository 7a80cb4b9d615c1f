import { createSocket } from 'node:dgram'
import { lookup } from 'node:dns/promises'
import { once } from 'node:events'
import { Address } from '../stun/address.ts'

/** The addresses of a name or of a numeric host, as this system finds them; none for a name that nobody knows. */
export async function addressesOf({ host, port }: { host: string; port: number }): Promise<Address[]> {
  const known = Address.parse(host, port)
  if (known !== null) return [known]
  try {
    const found = await lookup(host, { all: true })
    return found.map(({ address }) => Address.parse(address, port)).filter((address) => address !== null)
  } catch {
    return []
  }
}

/** The address of this machine that packets to the server leave from. Throws where no route leads there. */
export async function addressTowards(server: Address): Promise<Address> {
  if (server.isLoopback) return server.withPort(0)
  const socket = createSocket(server.family === 4 ? 'udp4' : 'udp6')
  try {
    socket.connect(server.port, server.host)
    await once(socket, 'connect')
    return Address.parse(socket.address().address)!
  } finally {
    socket.close()
  }
}

const REFUSAL_MS = 300

/** Whether a datagram to that port comes back as "port unreachable": a machine is there, and nothing listens. */
export async function refusesDatagrams(server: Address): Promise<boolean> {
  const socket = createSocket(server.family === 4 ? 'udp4' : 'udp6')
  try {
    socket.connect(server.port, server.host)
    await once(socket, 'connect')
    const refused = once(socket, 'message', { signal: AbortSignal.timeout(REFUSAL_MS) }).then(
      () => false,
      (error: NodeJS.ErrnoException) => error.code === 'ECONNREFUSED',
    )
    // Nothing that a STUN server would answer.
    socket.send(Buffer.alloc(4))
    return await refused
  } catch {
    return false
  } finally {
    socket.close()
  }
}
