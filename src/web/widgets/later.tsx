import { signal } from '@preact/signals'
import type { ComponentType, FunctionComponent } from 'preact'

/** A part of the page that is loaded when it is first shown; nothing stands in its place until it is there. */
export function later<Props extends object>(load: () => Promise<ComponentType<Props>>): FunctionComponent<Props> {
  const loaded = signal<ComponentType<Props> | null>(null)
  let loading = false
  return (props) => {
    const Part = loaded.value
    if (Part !== null) return <Part {...props} />
    if (!loading) {
      loading = true
      const done = (part: ComponentType<Props> | null) => {
        loading = false
        loaded.value = part
      }
      // Without a network the next time it is shown is the next try.
      load().then(done, () => done(null))
    }
    return null
  }
}
