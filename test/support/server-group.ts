import { randomBytes } from 'node:crypto'
import { claimMemory } from '../../src/shared/port-claims.ts'
import { ErrorCode } from '../../src/stun/constants.ts'
import type { Relay } from '../../src/turn/allocation.ts'
import { type QuotaMemory, quotaMemory } from '../../src/turn/limits/quota.ts'
import type { Answer, OtherServers, Question } from '../../src/turn/mobility/other-servers.ts'
import type { ConnectionLenders } from '../../src/turn/tcp/connection-lenders.ts'
import type { TurnServer } from '../../src/turn/turn-server.ts'
import type { EffectsRecorder } from './effects-recorder.ts'

/** CONNECTION-IDs are drawn for so many. */
const MOST_WORLDS = 3
const UNKNOWN: Answer = { kind: 'refused', error: ErrorCode.ALLOCATION_MISMATCH, reason: 'no such ticket' }

/** A world, as the others see it. */
interface GroupMember {
  readonly server: TurnServer
  readonly effects: EffectsRecorder
  readonly now: number
}

/** Several worlds among which the 5-tuples of the same clients are spread. What one says to another is copied. */
export class ServerGroup {
  readonly worlds: GroupMember[] = []
  readonly claims: ReadonlyMap<string, SharedArrayBuffer> = new Map(
    ['192.0.2.1', '2001:db8::1'].map((host) => [host, claimMemory()]),
  )
  /** Where each good ticket leads to. */
  readonly tickets = new Map<string, GroupMember>()
  /** Every question so far. */
  readonly questions: Question[] = []
  /** Whether they are answered as soon as they are asked. */
  isPrompt = true
  /** Whether sockets that come from elsewhere can be served. */
  canAttach = true
  /** Given away by one world and not taken by another. */
  readonly detached = new Map<number, string>()
  #quota: QuotaMemory | null = null
  readonly #mail: (() => void)[] = []
  #lastDescriptor = 100

  /** Makes a world one of them; its number, and how it reaches the others. */
  join(world: GroupMember): {
    readonly thread: number
    readonly others: OtherServers
    readonly lenders: ConnectionLenders
  } {
    const thread = this.worlds.push(world) - 1
    const others: OtherServers = {
      ask: (id, question) => {
        this.questions.push(question)
        const copy = structuredClone(question)
        this.#mail.push(() => this.#ask(world, id, copy))
        return true
      },
      ticketIssued: (ticket) => this.tickets.set(ticket, world),
      ticketRevoked: (ticket) => this.tickets.delete(ticket),
      detach: (relay) => this.#detach(world, relay),
      attach: (relay, descriptor) => this.#attach(world, relay, descriptor),
    }
    return { thread, others, lenders: this.#lenders(world, thread) }
  }

  #lenders(world: GroupMember, place: number): ConnectionLenders {
    const worlds = this.worlds
    return {
      place,
      count: MOST_WORLDS,
      ask: (id, question) => {
        const copy = structuredClone(question)
        this.#mail.push(() => {
          const holder = worlds[question.connectionId % MOST_WORLDS]
          // Shared memory is what both have.
          const answer = holder?.server.peerConnections.lend(copy, holder.now) ?? {
            kind: 'refused',
            error: ErrorCode.BAD_REQUEST,
            reason: 'no such server',
          }
          this.#mail.push(() => {
            const isTaken = world.server.peerConnections.answered(id, answer)
            if (isTaken || answer.kind !== 'lent') return
            this.detached.delete(answer.descriptor)
            holder!.server.peerConnections.returned(answer.connectionId)
          })
        })
        return true
      },
      detach: (connection) => {
        if (!world.effects.peers.delete(connection)) throw new Error('gave away a peer that is not there')
        this.detached.set(++this.#lastDescriptor, connection.peer.toString())
        return this.#lastDescriptor
      },
      attach: (connection, descriptor) => {
        if (this.detached.get(descriptor) !== connection.peer.toString()) throw new Error('took what nobody has given')
        if (!this.canAttach) return false
        this.detached.delete(descriptor)
        world.effects.peers.add(connection)
        return true
      },
      recall: (id) =>
        this.#mail.push(() => {
          for (const { server } of worlds) server.peerConnections.recalled(id)
        }),
      giveBack: (id) => this.#mail.push(() => worlds[id % MOST_WORLDS]!.server.peerConnections.returned(id)),
    }
  }

  /** What all of them count in. */
  quota(user: number): QuotaMemory {
    this.#quota ??= quotaMemory({ user, total: 0, bytesPerSecond: 0 }, { threads: 8, ports: 2000 }, randomBytes)
    return this.#quota
  }

  /** Lets everybody hear what he has been told. */
  deliver(): void {
    while (this.deliverOne());
  }

  /** Lets one be heard of what has been said; false when there is nothing. */
  deliverOne(): boolean {
    const read = this.#mail.shift()
    read?.()
    return read !== undefined
  }

  #ask(asker: GroupMember, id: number, question: Question): void {
    const asked = question.kind === 'ticket' ? this.tickets.get(question.ticket) : this.worlds[question.outgoing.holder]
    const answer = structuredClone(asked?.server.handover.answer(question, asked.now) ?? UNKNOWN)
    if (answer.kind === 'moved' && answer.allocation.ticket !== null) this.tickets.set(answer.allocation.ticket, asker)
    this.#mail.push(() => {
      asker.server.handover.answered(id, answer, asker.now)
      if (answer.kind === 'moved') this.worlds[answer.allocation.holder]!.server.handover.given(answer.allocation)
    })
  }

  #detach({ effects }: GroupMember, relay: Relay): number {
    if (!effects.open.delete(relay)) throw new Error('gave away a relay that is not open')
    this.detached.set(++this.#lastDescriptor, relay.local.toString())
    return this.#lastDescriptor
  }

  #attach({ effects }: GroupMember, relay: Relay, descriptor: number): boolean {
    if (this.detached.get(descriptor) !== relay.local.toString()) throw new Error('took what nobody has given away')
    this.detached.delete(descriptor)
    effects.open.add(relay)
    return this.canAttach
  }
}
