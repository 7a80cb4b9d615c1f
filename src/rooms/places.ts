import { BYE } from './bye.ts'
import type { CommandOf, JoinOutcome } from './command.ts'
import type { Draft } from './draft.ts'
import type { CloseOutcome } from './listing.ts'
import { after, type Client, fills, isFull, LOOPBACK_CLIENT_ID } from './state.ts'

/** How long the place of the other one is kept, once one of a call is back after a restart of the server. */
const COMPANION_MS = 30_000

/** Gives a client a place and, unless it is the first, everything the others have stored for it. */
export function join(room: Draft, { client: id, from, loopback, secret }: CommandOf<'join'>): JoinOutcome {
  const { now, rules, forwards } = room.conditions
  room.makeWay()
  if (isFull({ keptUntil: room.keptUntil, clients: [...room.clients] }, rules, now)) return { result: 'FULL' }
  if (room.client(id)) return { result: 'DUPLICATE_CLIENT' }
  const { members } = room
  // Guests of our own rooms are clients that were evicted and don't know it: closed, they will join again.
  for (const client of room.clients) if (client.standing === 'guest') room.forget(client)
  room.changedAt = now
  const initiator = members.length === 0
  // Of sockets that another Collider has we hear nothing, so their absence means nothing.
  const expiresAt = after(now, forwards ? 0 : rules.registerTimeoutSeconds)
  room.add({ id, from, standing: 'member', secret, initiator, expiresAt })
  if (initiator && loopback) room.add({ id: LOOPBACK_CLIENT_ID, from, standing: 'member', loopback: true })
  const messages = members.flatMap((other) => room.takeBox(other, 'outbox').map(({ text }) => text))
  return { result: 'SUCCESS', initiator, messages }
}

export function leave(room: Draft, { client: id }: CommandOf<'leave'>): null {
  const client = room.client(id)
  if (client?.standing !== 'member') return null
  room.changedAt = room.conditions.now
  room.giveUpPlace(client)
  if (client.socket === 'open') return null
  room.sayBye(client)
  room.drop(client)
  return null
}

export function remove(room: Draft, { client: id }: CommandOf<'remove'>): null {
  const client = room.find(id)
  if (!client) return null
  room.changedAt = room.conditions.now
  room.forget(client)
  return null
}

/** Removes what has run out of time; afterwards the room may be empty. */
export function sweep(room: Draft): null {
  const { now, rules } = room.conditions
  room.expire()
  const expires = after(room.changedAt, rules.expirationSeconds)
  if (expires === null || expires > now) return null
  // A call may last for days without a word to us: sockets that answer pings keep their room.
  for (const client of room.clients) if (client.socket === 'open') return null
  for (const client of room.clients) room.drop(client)
  return null
}

export function close(room: Draft, { reason }: CommandOf<'close'>): CloseOutcome {
  let clients = 0
  for (const client of room.clients) {
    clients++
    if (client.socket === 'open') {
      if (client.standing === 'member') room.deliver(client, client.from, BYE)
      room.disconnect(client, 'closed', reason)
      room.change(client, { socket: 'gone' })
    }
    room.drop(client)
    if (client.standing !== 'left') room.effects.push({ effect: 'forgotten', client: client.id })
  }
  return clients === 0 ? { result: 'UNKNOWN_ROOM' } : { result: 'SUCCESS', clients }
}

/**
 * Gives a place to somebody whose call goes on, though we don't know it; null when there is none. After a start of the server the
 * room does not remember who was there: whoever came in since was not, and makes way without a word to anybody, because nobody of
 * that call has ever heard of them.
 */
export function takeBack(room: Draft, { client: id, from, claim }: CommandOf<'register'>): Client | null {
  const { now, rules, restoresUntil } = room.conditions
  const restores = restoresUntil !== null && now < restoresUntil
  room.expire()
  for (const client of room.clients) if (client.standing === 'guest' && client.id !== id) room.forget(client)
  const kept = room.members.some(({ returned }) => returned) ? 0 : 1
  if (restores && fills(room.members, rules, kept))
    for (const client of room.members) if (!client.returned) room.drop(client)
  const { members } = room
  if (fills(members, rules)) return null
  const guest = room.client(id)
  if (guest) room.drop(guest)
  room.keptUntil = restores && members.length === 0 ? now + COMPANION_MS : null
  return room.add({
    id,
    from,
    standing: 'member',
    secret: claim?.secret ?? '',
    returned: restores,
    initiator: members.length === 0,
  })
}
