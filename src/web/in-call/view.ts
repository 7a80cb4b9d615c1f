import { signal } from '@preact/signals'

export type PanelName = 'chat'

/** What of the call is on the screen. */
export class View {
  /** What stands beside the pictures. */
  readonly panel = signal<PanelName | null>(null)

  show(panel: PanelName | null): void {
    this.panel.value = panel
  }

  /** Shows a panel, or closes it when it is the one that is shown. */
  toggle(panel: PanelName): void {
    this.show(this.panel.value === panel ? null : panel)
  }
}
