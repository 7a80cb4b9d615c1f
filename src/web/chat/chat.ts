import { signal } from '@preact/signals'
import { type ChatSaying, plainText, type ReceivedSaying } from '../link/talk.ts'

export interface ChatMessage {
  readonly id: string
  /** Null is ourselves. */
  readonly from: { readonly name: string } | null
  readonly text: string
  /** Wall clock, milliseconds. */
  readonly at: number
  /** Whether the other side has it; what it wrote itself always is. */
  readonly delivered: boolean
}

/** Whoever hears what is said. */
interface Listener {
  say(saying: ChatSaying | ReceivedSaying): void
}

/** Older messages go first. */
const kept = 200

/** The written part of one call. What nobody has received yet goes to whoever comes. */
export class Chat {
  readonly messages = signal<readonly ChatMessage[]>([])
  /** Messages that came while nobody looked. */
  readonly unread = signal(0)
  #reading = false
  #listener: Listener | null = null

  /** Says it to the others, or keeps it for them. False when there is nothing to say. */
  write(text: string): boolean {
    const plain = plainText(text)
    if (plain === '') return false
    const message = { id: newId(), from: null, text: plain, at: Date.now(), delivered: false }
    this.#add(message)
    this.#say(message)
    return true
  }

  /** What the other side said. */
  hear(saying: ChatSaying | ReceivedSaying, name: string): void {
    if (saying.type === 'received') {
      this.messages.value = this.messages.value.map((message) =>
        message.id === saying.id && message.from === null ? { ...message, delivered: true } : message,
      )
      return
    }
    const { id, text } = saying
    this.#listener?.say({ type: 'received', id })
    // Said again because our receipt got lost.
    if (this.messages.value.some((message) => message.id === id && message.from !== null)) return
    this.#add({ id, from: { name }, text, at: Date.now(), delivered: true })
    if (!this.#reading) this.unread.value++
  }

  /** Somebody hears us from now on, or nobody does. */
  reach(listener: Listener | null): void {
    this.#listener = listener
    for (const message of this.messages.peek()) if (message.from === null && !message.delivered) this.#say(message)
  }

  /** Somebody looks at the messages, or no longer. */
  set reading(reading: boolean) {
    this.#reading = reading
    if (reading) this.unread.value = 0
  }

  /** After a reload in the call. */
  restore(messages: readonly ChatMessage[]): void {
    this.messages.value = messages.slice(-kept)
  }

  /** The call is over. */
  clear(): void {
    this.messages.value = []
    this.unread.value = 0
  }

  #add(message: ChatMessage): void {
    this.messages.value = [...this.messages.value, message].slice(-kept)
  }

  #say({ id, text }: ChatMessage): void {
    this.#listener?.say({ type: 'chat', id, text })
  }
}

/** Not randomUUID, which browsers give to https alone. */
function newId(): string {
  return Array.from(crypto.getRandomValues(new Uint8Array(8)), (byte) => byte.toString(16).padStart(2, '0')).join('')
}
