import './style.css'
import 'webrtc-adapter'
import { effect, untracked } from '@preact/signals'
import { render } from 'preact'
import { App, type Call } from './app.tsx'
import { commandsOf } from './commands.ts'
import { wantedMedia } from './media/constraints.ts'
import { LocalMedia } from './media/media.ts'
import { type PageData, pageDataIn } from './page-data.ts'
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
  const session = new Session(room, media)
  if (page.view === 'full' && !wasReloaded()) session.showFull()
  else if (page.bypassJoinConfirmation) void session.join()
  // Also when a full room has become free again.
  effect(() => {
    if (session.phase.value === 'idle') untracked(() => void media.reopen())
  })
  addEventListener('online', () => session.networkChanged())
  addEventListener('pagehide', () => session.leaveAtOnce())
  // The browser kept the page for its back button, but our place in the room is gone.
  addEventListener('pageshow', (event) => {
    if (event.persisted) location.reload()
  })
  return { session, media, commands: commandsOf(session, media) }
}

/**
 * A reload asks for the new page before the old one says goodbye, so the server counts ourselves when it finds the room full;
 * joining will tell.
 */
function wasReloaded(): boolean {
  const [navigation] = performance.getEntriesByType('navigation') as PerformanceNavigationTiming[]
  return navigation?.type === 'reload'
}
