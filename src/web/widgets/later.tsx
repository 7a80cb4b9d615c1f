import { signal } from '@preact/signals'
import type { ComponentType, FunctionComponent } from 'preact'

/** A part of the page that is loaded when it is first shown, or before. */
interface Later<Props> extends FunctionComponent<Props> {
  preload(): void
}

/** Nothing stands in the place of the part until it is there. */
export function later<Props extends object>(load: () => Promise<ComponentType<Props>>): Later<Props> {
  const loaded = signal<ComponentType<Props> | null>(null)
  let loading = false
  const preload = () => {
    if (loading || loaded.peek() !== null) return
    loading = true
    const done = (part: ComponentType<Props> | null) => {
      loading = false
      loaded.value = part
    }
    // Without a network the next time it is shown is the next try.
    load().then(done, () => done(null))
  }
  const Placeholder = (props: Props) => {
    const Part = loaded.value
    if (Part !== null) return <Part {...props} />
    preload()
    return null
  }
  return Object.assign(Placeholder, { preload })
}
