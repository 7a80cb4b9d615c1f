import { Attribute, Method } from '../../../src/stun/constants.ts'
import { publicSeeds } from '../../support/public-seeds.ts'
import { channelData } from '../../support/turn-client.ts'
import { addressOf, udp, type WorldClient } from '../../support/turn-world.ts'

/** What other servers are fuzzed with, which is the same for every client. */
const PUBLISHED: readonly Buffer[] = publicSeeds.map(([, bytes]) => bytes)

/** One good message of each kind, signed by `client`, and the published ones. */
export function corpus(client: WorldClient): readonly Buffer[] {
  const peer = addressOf('203.0.113.5:4000')
  return [
    client.request(Method.BINDING, () => {}, { login: null, fingerprint: true }),
    client.request(Method.BINDING, (writer) => writer.uint32(Attribute.CHANGE_REQUEST, 6)),
    client.request(Method.BINDING, (writer) => writer.bytes(Attribute.PADDING, Buffer.alloc(400))),
    client.request(Method.BINDING, (writer) => writer.uint32(Attribute.RESPONSE_PORT, 0x9c400000)),
    client.request(Method.ALLOCATE, (writer) => udp(writer).uint32(Attribute.LIFETIME, 900)),
    client.request(Method.ALLOCATE, (writer) => udp(writer).uint8(Attribute.EVEN_PORT, 0x80)),
    client.request(Method.ALLOCATE, (writer) => udp(writer).empty(Attribute.MOBILITY_TICKET)),
    client.request(Method.ALLOCATE, (writer) => udp(writer).uint32(Attribute.ADDITIONAL_ADDRESS_FAMILY, 0x02000000)),
    client.request(Method.ALLOCATE, (writer) => udp(writer).bytes(Attribute.RESERVATION_TOKEN, Buffer.alloc(8))),
    client.request(Method.REFRESH, (writer) => writer.uint32(Attribute.LIFETIME, 0)),
    client.request(Method.REFRESH, (writer) => writer.uint32(Attribute.REQUESTED_ADDRESS_FAMILY, 0x01000000)),
    client.request(Method.REFRESH, (writer) => writer.bytes(Attribute.MOBILITY_TICKET, Buffer.alloc(24, 0x61))),
    client.request(Method.CREATE_PERMISSION, (writer) =>
      writer.xorAddress(Attribute.XOR_PEER_ADDRESS, peer).xorAddress(Attribute.XOR_PEER_ADDRESS, peer),
    ),
    client.request(Method.CHANNEL_BIND, (writer) =>
      writer.uint32(Attribute.CHANNEL_NUMBER, 0x40000000).xorAddress(Attribute.XOR_PEER_ADDRESS, peer),
    ),
    client.request(Method.CONNECT, (writer) => writer.xorAddress(Attribute.XOR_PEER_ADDRESS, peer)),
    client.request(Method.CONNECTION_BIND, (writer) => writer.uint32(Attribute.CONNECTION_ID, 1)),
    client.indication(Method.SEND, (writer) =>
      writer.xorAddress(Attribute.XOR_PEER_ADDRESS, peer).bytes(Attribute.DATA, Buffer.from('payload')),
    ),
    channelData(0x4000, Buffer.from('payload'), 1),
    ...PUBLISHED,
  ]
}
