import type { CloseOutcome } from './listing.ts'

/** What a page shows besides its id at a register that is not its first. */
export interface Claim {
  /** From its join answer. */
  readonly secret: string
  /** A call that began in this room goes on. */
  readonly inCall: boolean
}

/** What may happen to a room: plain JSON. `client` is who does it, `from` what its limits are counted by. */
export type RoomCommand =
  /** Takes a place. `secret`: what the answer tells this client alone. */
  | {
      readonly verb: 'join'
      readonly client: string
      readonly from: string
      readonly loopback: boolean
      readonly secret: string
    }
  /** A text posted to the room server: stored for the next join while the sender is alone, else relayed. */
  | { readonly verb: 'message'; readonly client: string; readonly text: string }
  /** A text posted to the Collider; the sender need not have a socket. */
  | { readonly verb: 'post'; readonly client: string; readonly from: string; readonly text: string }
  /** Binds `socket`, a name of which there is one, and hands over what waits. It takes the place of `over`, which is dead. */
  | {
      readonly verb: 'register'
      readonly client: string
      readonly from: string
      readonly claim: Claim | null
      readonly socket: string
      readonly over: string
    }
  /** A `send` frame of a registered socket. */
  | { readonly verb: 'send'; readonly client: string; readonly text: string }
  /** The socket is gone. `goingAway` means that its page was closed or left. */
  | { readonly verb: 'closed'; readonly client: string; readonly socket: string; readonly goingAway: boolean }
  /** A text that was to go to `socket`, which is gone: it waits for the next one. `from`: who said it. */
  | {
      readonly verb: 'undelivered'
      readonly client: string
      readonly socket: string
      readonly from: string
      readonly text: string
    }
  /** Gives the place of a member free; one with a socket may still say bye. Anybody else changes nothing. */
  | { readonly verb: 'leave'; readonly client: string }
  /** Collider's DELETE: forgets the client, its texts and its socket. */
  | { readonly verb: 'remove'; readonly client: string }
  /** Time has passed. */
  | { readonly verb: 'sweep' }
  /** An operator ends the room: bye to each member, `reason` to each socket. */
  | { readonly verb: 'close'; readonly reason: string }

export type Verb = RoomCommand['verb']

export type CommandOf<V extends Verb> = Extract<RoomCommand, { readonly verb: V }>

/** A command that may open a room, which is then its source's. */
export type OpeningCommand = CommandOf<'join' | 'post' | 'register'>

/** What becomes of each command: plain JSON. */
export interface Outcomes {
  readonly join: JoinOutcome
  readonly message: MessageResult
  readonly post: Refusal
  readonly register: RegisterOutcome
  readonly send: Refusal
  readonly closed: null
  readonly undelivered: null
  readonly leave: null
  readonly remove: null
  readonly sweep: null
  readonly close: CloseOutcome
}

export type JoinOutcome =
  | { readonly result: 'SUCCESS'; readonly initiator: boolean; readonly messages: readonly string[] }
  | { readonly result: 'FULL' | 'DUPLICATE_CLIENT' | 'TOO_MANY_ROOMS' }

export type MessageResult = 'SUCCESS' | 'ERROR' | 'UNKNOWN_ROOM' | 'UNKNOWN_CLIENT'

/** Collider's words for a refusal; null when all is well. */
export type Refusal =
  | 'Max room capacity reached'
  | 'Duplicated registration'
  | 'Too many messages queued for the client'
  | null

export interface RegisterOutcome {
  readonly refusal: Refusal
  /** The socket because of which it is a duplicate, else ''. */
  readonly holder: string
}

/** What a step asks of the world, in this order: plain JSON. */
export type RoomEffect =
  /** Send one text to the socket of a client. `from`: who said it. */
  | {
      readonly effect: 'deliver'
      readonly client: string
      readonly socket: string
      readonly from: string
      readonly text: string
    }
  /** Close the socket of a client that lost its place, took a newer socket, or whose room an operator closed, for the reason in `notice`. */
  | {
      readonly effect: 'disconnect'
      readonly client: string
      readonly socket: string
      readonly why: 'forgotten' | 'replaced' | 'closed'
      readonly notice: string
    }
  /** The place is gone by a bye, by DELETE or by time, once; by the last two Collider calls its room server. */
  | { readonly effect: 'forgotten'; readonly client: string }
  /** Another Collider has the sockets: hand it a text, as the original room server did. */
  | { readonly effect: 'forward'; readonly client: string; readonly text: string }
  /** A text was not kept: undelivered texts of all, or of who said it, take too much memory. */
  | { readonly effect: 'refused'; readonly why: 'too-many' | 'too-many-from-source' }

export type EffectOf<E extends RoomEffect['effect']> = Extract<RoomEffect, { readonly effect: E }>
