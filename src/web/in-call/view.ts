import { signal } from '@preact/signals'
import { type Corner, settings } from '../settings.ts'
import type { TextKey } from '../text/en.ts'

const wordMs = 2500
const corners = ['bottom-right', 'bottom-left', 'top-left', 'top-right'] as const

export type PanelName = 'chat' | 'options' | 'statistics' | 'shortcuts'

/** What of the call is on the screen. */
export class View {
  /** What stands beside the pictures. */
  readonly panel = signal<PanelName | null>(null)
  /** Whether the further commands are shown. */
  readonly menu = signal(false)
  /** Whether hand and reactions are shown. */
  readonly reacting = signal(false)
  /** Our own picture is the large one. */
  readonly swapped = signal(false)
  readonly selfHidden = signal(false)
  readonly selfCorner = signal(settings.get('selfCorner'))
  /** The picture of the other side is cut to fill its place. */
  readonly fill = signal(settings.get('fill'))

  /** Something that was done, said for a moment. */
  readonly word = signal<TextKey | null>(null)
  #wordless: ReturnType<typeof setTimeout> | undefined

  say(word: TextKey): void {
    this.word.value = word
    clearTimeout(this.#wordless)
    this.#wordless = setTimeout(() => {
      this.word.value = null
    }, wordMs)
  }

  show(panel: PanelName | null): void {
    this.panel.value = panel
    this.menu.value = false
    this.reacting.value = false
  }

  /** The call is over. */
  clear(): void {
    this.show(null)
    this.swapped.value = false
    this.selfHidden.value = false
  }

  /** Shows a panel, or closes it when it is the one that is shown. */
  toggle(panel: PanelName): void {
    this.show(this.panel.value === panel ? null : panel)
  }

  swap(): void {
    this.swapped.value = !this.swapped.value
  }

  toggleSelf(): void {
    this.selfHidden.value = !this.selfHidden.value
  }

  moveSelf(corner: Corner): void {
    this.selfCorner.value = corner
    settings.set('selfCorner', corner)
  }

  /** To the next corner, clockwise. */
  moveSelfOn(): void {
    this.moveSelf(corners[(corners.indexOf(this.selfCorner.value) + 1) % corners.length]!)
  }

  toggleMenu(): void {
    this.menu.value = !this.menu.value
    this.reacting.value = false
  }

  toggleReacting(): void {
    this.reacting.value = !this.reacting.value
    this.menu.value = false
  }

  toggleFill(): void {
    this.fill.value = !this.fill.value
    settings.set('fill', this.fill.value)
  }
}
