import './style.css'
import { computed, effect, untracked } from '@preact/signals'
import { render } from 'preact'
import { App } from './app.tsx'
import type { Call, CallParts } from './call-parts.ts'
import { Chat } from './chat/chat.ts'
import { commandsOf } from './commands.ts'
import { View } from './in-call/view.ts'
import { watchNetwork } from './link/network-watch.ts'
import type { Saying } from './link/talk.ts'
import { wantedMedia } from './media/constraints.ts'
import { LocalMedia } from './media/media.ts'
import { type PageData, pageDataIn } from './page-data.ts'
import { callLength } from './people/call-length.ts'
import { play } from './people/chime.ts'
import { unseen, watchPeople } from './people/comings.ts'
import { Myself } from './people/myself.ts'
import { Reactions } from './people/reactions.ts'
import { keepAwake } from './people/wake-lock.ts'
import { interruptedCall, noteCall, wasReloaded } from './room/interrupted-call.ts'
import { OtherTabs } from './room/other-tabs.ts'
import { Session } from './session.ts'
import { settings } from './settings.ts'
import { titleOf } from './status.ts'
import { speakAsPreferred } from './text/i18n.ts'

const page = pageDataIn(document)
speakAsPreferred()
render(<App page={page} call={start(page.roomId!, page)} />, document.getElementById('app')!)

function start(room: string, page: PageData): Call {
  const media = new LocalMedia(wantedMedia(page.mediaConstraints, location.search))
  const myself = new Myself()
  const chat = new Chat()
  const reactions = new Reactions((saying) => session.link.value?.say(saying))
  const presence = computed(() => ({ ...media.presence.value, name: myself.name.value, hand: myself.hand.value }))
  const { sound, picture, sending } = media
  const session: Session = new Session(
    room,
    { sound, picture, sending, presence, reopen: () => media.reopen(), close: () => media.close() },
    (saying) => hear(saying),
  )
  const hear = (saying: Exclude<Saying, { type: 'presence' }>) => {
    if (saying.type === 'reaction') reactions.hear(saying)
    else chat.hear(saying, session.link.value?.presence.value?.name ?? '')
  }
  const view = new View()
  const parts = { session, media, myself, chat, reactions, view, length: callLength(session.phase) }
  const tabs = new OtherTabs(room, () => session.hangUp())
  const call: Call = { ...parts, commands: commandsOf(parts), takeOver: () => takeOver(session, tabs) }

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
    const inside = session.inside.value
    tabs.here = inside
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
    myself.hand.value = false
    view.clear()
  })
  // Also when a full room has become free again.
  effect(() => {
    if (session.phase.value === 'idle') untracked(() => void media.reopen())
    else if (session.phase.value === 'elsewhere') untracked(() => media.close())
  })
  keepAwake(session.inside)
  announcePeople(parts)
  watchNetwork((how) => session.networkChanged(how))
  addEventListener('pagehide', () => {
    tabs.here = false
    session.leaveAtOnce()
  })
  // The browser kept the page for its back button, but our place in the room is gone.
  addEventListener('pageshow', (event) => {
    if (event.persisted) location.reload()
  })
  return call
}

/** By a sound and in the title, for whoever looks at something else. */
function announcePeople({ session, chat }: CallParts): void {
  const missed = unseen()
  watchPeople(session.phase, chat.unread, (what) => {
    if (settings.get('sounds')) play(what)
    missed.note(what)
  })
  effect(() => {
    document.title = titleOf(session, chat.unread.value, missed.happening.value)
  })
}

async function takeOver(session: Session, tabs: OtherTabs): Promise<void> {
  await tabs.take()
  await session.join()
}
