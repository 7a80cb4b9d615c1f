import { useRef } from 'preact/hooks'
import type { Corner } from '../settings.ts'
import { t } from '../text/i18n.ts'
import type { View } from './view.ts'

/** Less than this is a click and not a way to another corner. */
const dragPixels = 8

/** Lies over the small picture: a click swaps it with the large one, dragging takes it to another corner. */
export function SelfHandle({ view }: { view: View }) {
  const from = useRef<{ readonly x: number; readonly y: number } | null>(null)
  const dragged = useRef(false)
  const move = (event: PointerEvent) => {
    if (from.current === null) return
    const [x, y] = [event.clientX - from.current.x, event.clientY - from.current.y]
    if (Math.hypot(x, y) >= dragPixels) dragged.current = true
    if (dragged.current) tileOf(event).style.transform = `translate(${x}px, ${y}px)`
  }
  const drop = (event: PointerEvent) => {
    if (from.current === null) return
    from.current = null
    const tile = tileOf(event)
    if (dragged.current) view.moveSelf(nearestCorner(tile))
    tile.style.transform = ''
  }
  return (
    <button
      type="button"
      class="tile-swap"
      aria-label={t('swap')}
      title={t('swapHint')}
      onPointerDown={(event) => {
        from.current = { x: event.clientX, y: event.clientY }
        dragged.current = false
        event.currentTarget.setPointerCapture(event.pointerId)
      }}
      onPointerMove={move}
      onPointerUp={drop}
      onPointerCancel={drop}
      onClick={() => {
        if (!dragged.current) view.swap()
        dragged.current = false
      }}
    />
  )
}

function tileOf(event: Event): HTMLElement {
  return (event.currentTarget as HTMLElement).closest<HTMLElement>('.tile')!
}

function nearestCorner(tile: HTMLElement): Corner {
  const box = tile.getBoundingClientRect()
  const stage = tile.parentElement!.getBoundingClientRect()
  const left = box.x + box.width / 2 < stage.x + stage.width / 2
  const top = box.y + box.height / 2 < stage.y + stage.height / 2
  return `${top ? 'top' : 'bottom'}-${left ? 'left' : 'right'}`
}
