import './style.css'
import 'webrtc-adapter'
import { effect, untracked } from '@preact/signals'
import { render } from 'preact'
import { App } from './app.tsx'
import type { Call } from './call-parts.ts'
import { Chat } from './chat/chat.ts'
import { commandsOf } from './commands.ts'
import { View } from './in-call/view.ts'
import { wantedMedia } from './media/constraints.ts'
import { LocalMedia } from './media/media.ts'
import { type PageData, pageDataIn } from './page-data.ts'
import { interruptedCall, noteCall, wasReloaded } from './room/interrupted-call.ts'
import { OtherTabs } from './room/other-tabs.ts'
import { Session } from './session.ts'
import { settings } from './settings.ts'
import { language, languageTag, preferredLanguage } from './text/i18n.ts'

const page = pageDataIn(document)
language.value = preferredLanguage(settings.get('language'), navigator.languages)
effect(() => {
  document.documentElement.lang = languageTag()
})
const call = page.roomId === undefined ? null : start(page.roomId, page)
render(<App page={page} call={call} />, document.getElementById('app')!)

function start(room: string, page: PageData): Call {
  const media = new LocalMedia(wantedMedia(page.mediaConstraints))
  const chat = new Chat()
  const view = new View()
  const session = new Session(room, media, (saying) => chat.hear(saying, ''))
  const tabs = new OtherTabs(room, () => session.hangUp())
  const interrupted = interruptedCall(room)
  if (interrupted !== null) {
    media.restore(interrupted)
    chat.restore(interrupted.chat)
    void session.join()
  } else if (page.view === 'full' && !wasReloaded()) session.showFull()
  else if (page.bypassJoinConfirmation) void session.join()
  tabs.look()
  effect(() => session.showElsewhere(tabs.inCall.value))
  effect(() => {
    tabs.here = session.inside.value
    const inside = session.inside.value
    noteCall(
      inside ? { room, camera: media.cameraOn.value, muted: media.muted.value, chat: chat.messages.value } : null,
    )
  })
  effect(() => {
    const link = session.link.value
    chat.reach(link?.talking.value === true ? link : null)
  })
  effect(() => {
    // Joining again after a reload is the same call.
    if (session.phase.value === 'joining' || session.inside.value) return
    chat.clear()
    view.show(null)
  })
  // Also when a full room has become free again.
  effect(() => {
    if (session.phase.value === 'idle') untracked(() => void media.reopen())
    else if (session.phase.value === 'elsewhere') untracked(() => media.close())
  })
  addEventListener('online', () => session.networkChanged())
  addEventListener('pagehide', () => {
    tabs.here = false
    session.leaveAtOnce()
  })
  // The browser kept the page for its back button, but our place in the room is gone.
  addEventListener('pageshow', (event) => {
    if (event.persisted) location.reload()
  })
  const parts = { session, media, chat, view }
  return { ...parts, commands: commandsOf(parts), takeOver: () => takeOver(session, tabs) }
}

async function takeOver(session: Session, tabs: OtherTabs): Promise<void> {
  await tabs.take()
  await session.join()
}
