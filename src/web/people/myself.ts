import { type Signal, signal } from '@preact/signals'
import { maxNameLength, plainText } from '../link/talk.ts'
import { settings } from '../settings.ts'

/** What a person tells the others about themselves. */
export class Myself {
  /** '' is no name. */
  readonly name: Signal<string> = signal(settings.get('name') ?? '')
  readonly hand = signal(false)

  /** Takes a name and remembers it. */
  setName(name: string): void {
    this.name.value = plainText(name, maxNameLength)
    settings.set('name', this.name.value === '' ? null : this.name.value)
  }

  toggleHand(): void {
    this.hand.value = !this.hand.value
  }
}
