import { OutgoingPosts } from './outgoing-posts.ts'

/** The foreign room server that Collider's `-room-server` names: it is told when a client is gone. */
export class RoomServer {
  readonly #posts: OutgoingPosts

  constructor(origin: string) {
    this.#posts = new OutgoingPosts(origin)
  }

  get failures(): number {
    return this.#posts.failures
  }

  /** Collider's `/bye` is known to the servers of January 2015 alone; every later one has `/leave`. */
  gone(room: string, client: string): void {
    this.#posts.send(
      [
        ['leave', room, client],
        ['bye', room, client],
      ],
      null,
    )
  }

  close(): Promise<void> {
    return this.#posts.close()
  }
}
