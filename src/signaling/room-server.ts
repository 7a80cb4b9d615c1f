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

  bye(room: string, client: string): void {
    this.#posts.send(['bye', room, client], null)
  }

  close(): Promise<void> {
    return this.#posts.close()
  }
}
