import type { CommandOf, RegisterOutcome } from './command.ts'
import type { Draft } from './draft.ts'
import { takeBack } from './places.ts'
import { after, type Client, proves } from './state.ts'

/** Binds a socket to a client and hands over what waits for it. A member always has its place, whoever lingers. */
export function register(room: Draft, command: CommandOf<'register'>): RegisterOutcome {
  const { client: id, from, claim, socket, over } = command
  let client = room.find(id)
  if (client?.socket === 'open') {
    // A socket whose network is gone looks alive for a while; its owner knows better.
    const takesOver = client.at === over || (claim !== null && proves(client, claim.secret))
    if (!takesOver) return { refusal: 'Duplicated registration', holder: client.at }
    room.disconnect(client, 'replaced')
    lose(room, client, false)
    client = room.client(id)
  }
  const hasCall = claim?.inCall === true && claim.secret !== ''
  const returned = hasCall && (client === undefined || client.standing === 'guest') ? takeBack(room, command) : null
  client = returned ?? room.client(id)
  if (!client) {
    // With a secret it is a page of ours whose place is gone: it has to join again, or it would wait for nothing.
    if (claim !== null || !room.admitsGuest()) return { refusal: 'Max room capacity reached', holder: '' }
    client = room.add({ id, from, standing: 'guest' })
  }
  room.changedAt = room.conditions.now
  room.change(client, { socket: 'open', at: socket, expiresAt: null })
  handOver(room, client, client, 'inbox')
  if (client.standing === 'guest' || returned !== null)
    for (const other of room.audienceOf(client)) handOver(room, other, client, 'outbox')
  return { refusal: null, holder: '' }
}

export function closed(room: Draft, { client: id, socket, goingAway }: CommandOf<'closed'>): null {
  const client = room.find(id)
  // One that a newer socket has replaced is nobody's.
  if (client?.at === socket) lose(room, client, goingAway)
  return null
}

export function undelivered(room: Draft, { client: id, socket, from, text }: CommandOf<'undelivered'>): null {
  const client = room.client(id)
  if (client?.at === socket) lose(room, client, false)
  const hearer = room.client(id)
  if (hearer?.socket === 'open') room.deliver(hearer, from, text)
  else if (hearer && hearer.standing !== 'left') room.keep({ from }, hearer, 'inbox', text)
  return null
}

/** The client has no socket any more, and keeps its place for the grace time. */
function lose(room: Draft, client: Client, goingAway: boolean): void {
  room.change(client, { socket: goingAway && !client.loopback ? 'gone' : 'lost' })
  if (client.standing === 'left') {
    room.sayBye(client)
    room.drop(client)
  } else if (!client.loopback)
    room.change(client, { expiresAt: after(room.conditions.now, room.conditions.rules.graceSeconds) })
}

function handOver(room: Draft, keeper: Client, hearer: Client, box: 'inbox' | 'outbox'): void {
  for (const { from, text } of room.takeBox(keeper, box)) room.deliver(hearer, from, text)
}
