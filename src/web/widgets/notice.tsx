import type { ComponentChildren } from 'preact'
import { Icon } from './icons.tsx'

/** Something the person should know: what it is, what helps, and a button that does it. */
export function Notice({ title, text, children }: { title: string; text?: string; children?: ComponentChildren }) {
  return (
    <div class="notice">
      <Icon name="warning" />
      <div>
        <strong>{title}</strong>
        {text !== undefined && <p>{text}</p>}
        {children}
      </div>
    </div>
  )
}
