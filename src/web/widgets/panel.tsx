import type { ComponentChildren } from 'preact'
import { useId, useLayoutEffect, useRef } from 'preact/hooks'
import { t } from '../text/i18n.ts'
import { Icon } from './icons.tsx'

/**
 * What stands beside the pictures of a call for a while. Takes the focus when it appears, in the box to write in if it has one;
 * Escape or its button closes it, and the focus goes back.
 */
export function Panel({
  title,
  onClose,
  children,
}: {
  title: string
  onClose: () => void
  children: ComponentChildren
}) {
  const panel = useRef<HTMLElement>(null)
  const heading = useRef<HTMLHeadingElement>(null)
  const id = useId()
  useLayoutEffect(() => {
    const before = document.activeElement
    // On a phone that would bring up the keyboard, over what there is to read.
    const box = matchMedia('(pointer: coarse)').matches ? null : panel.current!.querySelector('textarea')
    ;(box ?? heading.current!).focus()
    return () => {
      if (before instanceof HTMLElement && before.isConnected) before.focus()
    }
  }, [])
  return (
    <aside
      ref={panel}
      class="panel"
      aria-labelledby={id}
      onKeyDown={(event) => {
        if (event.key === 'Escape') onClose()
      }}
    >
      <div class="panel-head">
        <h2 id={id} ref={heading} tabIndex={-1}>
          {title}
        </h2>
        <button type="button" class="button button-quiet button-icon" aria-label={t('close')} onClick={onClose}>
          <Icon name="close" />
        </button>
      </div>
      {children}
    </aside>
  )
}
