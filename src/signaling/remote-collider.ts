import type { RoomEffects } from '../rooms/rooms.ts'
import { OutgoingPosts } from './outgoing-posts.ts'

/** The Collider that `wss-host-port-pair` names while our own hub is off: it has the sockets, we have the places. */
export class RemoteCollider implements RoomEffects {
  readonly #posts: OutgoingPosts

  /** `postUrl` is the `wss_post_url` that clients are given. */
  constructor(postUrl: string) {
    this.#posts = new OutgoingPosts(postUrl)
  }

  get failures(): number {
    return this.#posts.failures
  }

  forward(room: string, sender: string, text: string): void {
    this.#posts.send([[room, sender]], text)
  }

  deliver(): true {
    return true
  }

  isLive(): false {
    return false
  }

  disconnect(): void {}
  forgotten(): void {}

  close(): Promise<void> {
    return this.#posts.close()
  }
}
