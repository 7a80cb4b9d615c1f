import { isBye } from './bye.ts'
import type { CommandOf, MessageResult, Refusal } from './command.ts'
import type { Draft } from './draft.ts'
import { after, type Client } from './state.ts'

export function message(room: Draft, { client: id, text }: CommandOf<'message'>): MessageResult {
  if (room.members.length === 0) return 'UNKNOWN_ROOM'
  const sender = room.client(id)
  if (sender?.standing !== 'member') return 'UNKNOWN_CLIENT'
  return relay(room, sender, text) === null ? 'SUCCESS' : 'ERROR'
}

export function post(room: Draft, { client: id, from, text }: CommandOf<'post'>): Refusal {
  const known = room.find(id)
  if (!known && !room.admitsGuest()) return 'Max room capacity reached'
  const { now, rules } = room.conditions
  const sender = known ?? room.add({ id, from, standing: 'guest', expiresAt: after(now, rules.graceSeconds) })
  return say(room, sender, text)
}

export function send(room: Draft, { client: id, text }: CommandOf<'send'>): Refusal {
  const sender = room.find(id)
  return sender ? say(room, sender, text) : null
}

/** Relays what came through the Collider. Each client says bye only when it hangs up, so a bye is a leave. */
function say(room: Draft, sender: Client, text: string): Refusal {
  if (!isBye(text)) return relay(room, sender, text)
  if (sender.standing !== 'left') {
    room.changedAt = room.conditions.now
    // Said before the bye is passed on: whoever hears it asks the room server for the next caller.
    if (sender.standing === 'guest') room.effects.push({ effect: 'forgotten', client: sender.id })
    room.giveUpPlace(sender)
  }
  room.sayBye(sender, text)
  if (sender.socket !== 'open') room.drop(sender)
  return null
}

function relay(room: Draft, sender: Client, text: string): Refusal {
  const audience = room.audienceOf(sender)
  if (audience.length === 0) {
    if (sender.standing === 'left') return null
    room.changedAt = room.conditions.now
    return room.keep(sender, sender, 'outbox', text) ? null : 'Too many messages queued for the client'
  }
  if (room.conditions.forwards) {
    room.effects.push({ effect: 'forward', client: sender.id, text })
    return null
  }
  let kept = true
  for (const other of audience) {
    if (other.socket === 'open') room.deliver(other, sender.from, text)
    else kept = room.keep(sender, other, 'inbox', text) && kept
  }
  return kept ? null : 'Too many messages queued for the client'
}
