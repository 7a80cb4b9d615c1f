import type { CommandOf, OpeningCommand, Outcomes, RoomCommand, RoomEffect, Verb } from './command.ts'
import type { Conditions } from './conditions.ts'
import { Draft } from './draft.ts'
import { close, join, leave, remove, sweep } from './places.ts'
import { closed, register, undelivered } from './sockets.ts'
import type { RoomState } from './state.ts'
import { message, post, send } from './texts.ts'

/** What a command makes of a room. */
export interface Stepped<V extends Verb> {
  /** Null when nobody is in it any more; the same object when nothing has changed. */
  readonly room: RoomState | null
  readonly outcome: Outcomes[V]
  readonly effects: readonly RoomEffect[]
  /** What it has taken of the memory for undelivered texts, by source; whoever stores rooms adds it to what it counts. */
  readonly memoryTaken: readonly (readonly [source: string, amount: number])[]
}

/**
 * All rules of a room: what one command makes of it, null being a room that is not there, and what is asked of the world. Changes
 * nothing it is given. The same of everything leads to the same, so whoever finds that the room has changed meanwhile steps again.
 *
 * Outcomes and rules go by the command's verb, which TypeScript cannot follow from a command to its row in a table: hence each `as`.
 */
export function step<C extends RoomCommand>(
  room: RoomState | null,
  command: C,
  conditions: Conditions,
): Stepped<C['verb']> {
  if (room === null && opens(command) && !conditions.mayOpen)
    return { room: null, outcome: withoutRoom(command) as Outcomes[C['verb']], effects: [], memoryTaken: [] }
  const draft = new Draft(room, opens(command) ? command.from : '', conditions)
  const rule = RULES[command.verb as C['verb']] as (room: Draft, command: RoomCommand) => Outcomes[C['verb']]
  const outcome = rule(draft, command)
  return { room: draft.room(), outcome, effects: draft.effects, memoryTaken: draft.memoryTaken }
}

/** Whether the command makes a room where there is none. */
export function opens(command: RoomCommand): command is OpeningCommand {
  return command.verb === 'join' || command.verb === 'post' || command.verb === 'register'
}

/** The outcome where there may be no more rooms. */
function withoutRoom(command: OpeningCommand): Outcomes[OpeningCommand['verb']] {
  if (command.verb === 'join') return { result: 'TOO_MANY_ROOMS' }
  if (command.verb === 'post') return 'Max room capacity reached'
  return { refusal: 'Max room capacity reached', holder: '' }
}

const RULES: { readonly [V in Verb]: (room: Draft, command: CommandOf<V>) => Outcomes[V] } = {
  join,
  message,
  post,
  register,
  send,
  closed,
  undelivered,
  leave,
  remove,
  sweep,
  close,
}
