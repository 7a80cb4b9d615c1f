import type { Address } from '../stun/address.ts'
import { bindingRequest, mappingOf } from './stun-client.ts'
import { NoAnswer, Transactions } from './transactions.ts'
import type { Wire } from './wire.ts'

/** How a NAT chooses the port that others see (RFC 4787 §4.1). */
export type MappingBehaviour = 'none' | 'endpoint-independent' | 'address-dependent' | 'address-and-port-dependent'
/** Whose datagrams a NAT or firewall lets in (RFC 4787 §5). */
export type FilteringBehaviour = Exclude<MappingBehaviour, 'none'>

export interface NatBehaviour {
  readonly mapping: MappingBehaviour
  readonly filtering: FilteringBehaviour
}

/** Bits of CHANGE-REQUEST (RFC 5780 §7.2). */
const CHANGE_IP = 0x04
const CHANGE_PORT = 0x02
/** An answer that never comes is one of the outcomes: 3.5 s are enough for it. */
const TRIES = 3

/** The tests of RFC 5780 §4.3 and §4.4, by UDP from `local`. Null where the server has no second address; throws NoAnswer. */
export async function natBehaviour(wire: Wire, local: Address, server: Address): Promise<NatBehaviour | null> {
  const transactions = new Transactions(() => {}, false)
  const socket = await wire.open(local, (bytes, start, end, _from, now) => transactions.receive(bytes, start, end, now))
  const ask = async (what: string, to: Address, changes = 0) => {
    const send = (bytes: Buffer) => socket.send(bytes, 0, bytes.length, to)
    const { message } = await transactions.request(what, bindingRequest(changes), { tries: TRIES, send })
    return mappingOf(message)
  }
  const isAnswered = async (what: string, changes: number): Promise<boolean> => {
    try {
      await ask(what, server, changes)
      return true
    } catch (error) {
      if (error instanceof NoAnswer) return false
      throw error
    }
  }
  try {
    const first = await ask('Binding', server)
    if (first.other === null) return null
    const { mapped, other } = first
    // Filtering comes first: what is sent to the other address would open the filter for it.
    const filtering = (await isAnswered('Binding with CHANGE-REQUEST', CHANGE_IP | CHANGE_PORT))
      ? 'endpoint-independent'
      : (await isAnswered('Binding with CHANGE-REQUEST', CHANGE_PORT))
        ? 'address-dependent'
        : 'address-and-port-dependent'
    if (mapped.equals(socket.local)) return { mapping: 'none', filtering }
    const second = await ask('Binding to the other address', other.withPort(server.port))
    if (second.mapped.equals(mapped)) return { mapping: 'endpoint-independent', filtering }
    const third = await ask('Binding to the other address and port', other)
    const mapping = third.mapped.equals(second.mapped) ? 'address-dependent' : 'address-and-port-dependent'
    return { mapping, filtering }
  } finally {
    await socket.close()
  }
}

/** What it means for calls, in words. */
export const MAPPING_WORDS: Readonly<Record<MappingBehaviour, string>> = {
  none: 'no NAT: the address is your own',
  'endpoint-independent': 'one port for all peers (endpoint-independent): direct calls work',
  'address-dependent': 'a port for each peer address (address-dependent): direct calls need luck, else the relay',
  'address-and-port-dependent': 'a port for each peer (symmetric): calls need the relay',
}

export const FILTERING_WORDS: Readonly<Record<FilteringBehaviour, string>> = {
  'endpoint-independent': 'anybody gets in once a port is open (endpoint-independent)',
  'address-dependent': 'only addresses that were sent to get in (address-dependent)',
  'address-and-port-dependent': 'only address and port that were sent to get in (address-and-port-dependent)',
}
