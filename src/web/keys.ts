import type { Command, Commands } from './command.ts'

/** Does what a key press means, and undoes it when the key is let go. Returns how to stop listening. */
export function listenForKeys(commands: Commands): () => void {
  let held: { readonly key: string; readonly command: Command } | null = null
  const letGo = () => {
    held?.command.release?.()
    held = null
  }
  const press = (event: KeyboardEvent) => {
    const command = commandOf(commands, event)
    // Held down it repeats, and must not press the button that has the focus meanwhile.
    if (event.key === held?.key) return event.preventDefault()
    if (command === null || event.repeat) return
    event.preventDefault()
    letGo()
    if (command.release !== undefined) held = { key: event.key, command }
    command.run()
  }
  const release = (event: KeyboardEvent) => {
    if (event.key !== held?.key) return
    event.preventDefault()
    letGo()
  }
  document.addEventListener('keydown', press)
  document.addEventListener('keyup', release)
  // Another window gets the end of the press.
  addEventListener('blur', letGo)
  return () => {
    document.removeEventListener('keydown', press)
    document.removeEventListener('keyup', release)
    removeEventListener('blur', letGo)
  }
}

/** The command that a key press means. Keys that write, or press what has the focus, are left alone. */
function commandOf(commands: Commands, event: KeyboardEvent): Command | null {
  if (event.ctrlKey || event.altKey || event.metaKey || !(event.target instanceof Element)) return null
  if (event.target.closest('input:not([type="checkbox"]), select, textarea, [contenteditable]') !== null) return null
  const command = Object.values(commands).find(
    ({ keys, possible, enabled }) => keys.includes(event.key.toLowerCase()) && possible && enabled(),
  )
  if (command === undefined) return null
  const pressed = event.target.closest('button, a, summary, input') !== null
  return event.key === ' ' && pressed && command.release === undefined ? null : command
}
