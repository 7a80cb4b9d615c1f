import { effect } from '@preact/signals'
import { render } from 'preact'
import type { Call } from '../call-parts.ts'
import { languageTag, t } from '../text/i18n.ts'
import { CommandButton } from '../widgets/command-button.tsx'
import { Icon } from '../widgets/icons.tsx'
import { Video } from '../widgets/video.tsx'
import { documentPictureInPicture } from './document-window.ts'

type Shown = Pick<Call, 'session' | 'media' | 'commands'>

/** Opens the call in a small window over all others, or closes it. */
export async function toggleSmallWindow(call: Shown): Promise<void> {
  const pictures = documentPictureInPicture!
  if (pictures.window !== null) return pictures.window.close()
  const small = await pictures.requestWindow({ width: 400, height: 300 })
  const { document: page } = small
  page.documentElement.lang = languageTag()
  page.title = document.title
  for (const { href } of document.querySelectorAll<HTMLLinkElement>('link[rel="stylesheet"]'))
    page.head.append(Object.assign(page.createElement('link'), { rel: 'stylesheet', href }))
  render(<SmallWindow {...call} />, page.body)
  const stopWatching = effect(() => {
    if (!call.session.inside.value) small.close()
  })
  small.addEventListener('pagehide', () => {
    stopWatching()
    render(null, page.body)
  })
}

function SmallWindow({ session, media, commands }: Shown) {
  const { value: link } = session.link
  const presence = link?.presence.value
  const dark = presence != null && !presence.camera && !presence.screen
  return (
    <main class="call small-window">
      <h1 class="sr-only">
        {t('room')} {session.room}
      </h1>
      {/* The sound comes from the page. */}
      <Video
        stream={link?.remote ?? null}
        label={t('remoteVideo')}
        class={dark || media.dataUse.value === 'sound' ? 'remote remote-idle' : 'remote'}
        muted
      />
      {dark && (
        <span class="avatar">
          <Icon name="person" />
        </span>
      )}
      <div class="controls" role="toolbar" aria-label={t('controls')}>
        <CommandButton command={commands.mute} />
        <CommandButton command={commands.camera} />
        <CommandButton command={commands.hangUp} />
      </div>
    </main>
  )
}
