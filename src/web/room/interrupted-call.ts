import type { ChatMessage } from '../chat/chat.ts'

/** What a tab needs to come back into its call after a reload. */
export interface InterruptedCall {
  readonly room: string
  readonly camera: boolean
  readonly muted: boolean
  readonly chat: readonly ChatMessage[]
}

const key = 'call'

/** Notes the call that this tab is in; null when it is in none. Lost where the browser stores nothing. */
export function noteCall(call: InterruptedCall | null): void {
  try {
    if (call === null) sessionStorage.removeItem(key)
    else sessionStorage.setItem(key, JSON.stringify(call))
  } catch {
    // Private windows may refuse: after a reload the person presses Join.
  }
}

/** The call of this room that a reload of this tab interrupted. */
export function interruptedCall(room: string): InterruptedCall | null {
  if (!wasReloaded()) return null
  try {
    const call = JSON.parse(sessionStorage.getItem(key) ?? 'null') as Partial<InterruptedCall> | null
    if (call?.room !== room) return null
    return { room, camera: call.camera === true, muted: call.muted === true, chat: call.chat ?? [] }
  } catch {
    return null
  }
}

/**
 * A reload asks for the new page before the old one says goodbye, so the server counts ourselves when it finds the room full;
 * joining will tell.
 */
export function wasReloaded(): boolean {
  const [navigation] = performance.getEntriesByType('navigation') as PerformanceNavigationTiming[]
  return navigation?.type === 'reload'
}
