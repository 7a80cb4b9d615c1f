import type { RoomsOptions } from '../../src/rooms/options.ts'
import { MemoryRooms } from '../../src/rooms/room-store.ts'
import { defaultRooms } from '../support/default-config.ts'

/** Rooms with a record of everything they asked for. */
export class RecordedRooms extends MemoryRooms {
  readonly delivered: string[]
  readonly disconnected: string[]
  readonly forgotten: string[]
  /** What was delivered and forgotten, in order. */
  readonly log: string[]

  constructor(options: Partial<RoomsOptions> = {}, startedAt?: number) {
    const delivered: string[] = []
    const disconnected: string[] = []
    const forgotten: string[] = []
    const log: string[] = []
    super(
      { ...defaultRooms, ...options },
      {
        deliver: (room, client, text) => {
          delivered.push(`${room}/${client}: ${text}`)
          log.push(`${room}/${client}: ${text}`)
        },
        disconnect: (room, client) => disconnected.push(`${room}/${client}`),
        forgotten: (room, client) => {
          forgotten.push(`${room}/${client}`)
          log.push(`forgotten ${room}/${client}`)
        },
      },
      startedAt,
    )
    this.delivered = delivered
    this.disconnected = disconnected
    this.forgotten = forgotten
    this.log = log
  }

  /** Two members with sockets, as in a call. */
  call(room: string, now = 0): void {
    this.join(room, 'a', false, now)
    this.register(room, 'a', now)
    this.join(room, 'b', false, now)
    this.register(room, 'b', now)
  }
}
