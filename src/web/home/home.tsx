import './home.css'
import { useSignal } from '@preact/signals'
import { useRef } from 'preact/hooks'
import { forgetRooms, isRoomName, randomRoomName, recentRooms } from '../room/room-name.ts'
import { t } from '../text/i18n.ts'
import { Header } from '../widgets/header.tsx'
import { Icon } from '../widgets/icons.tsx'

/** The landing page: choose a room. */
export function Home() {
  const typed = typedRoom(location.pathname)
  const name = useSignal(typed ?? randomRoomName())
  const complain = useSignal(typed !== null)
  const recent = useSignal(recentRooms())
  const input = useRef<HTMLInputElement>(null)
  const valid = isRoomName(name.value)
  const wrong = complain.value && !valid
  const characters = /[^A-Za-z0-9_-]/.test(name.value)

  const open = (event: Event) => {
    event.preventDefault()
    if (valid) return location.assign(roomUrl(name.value))
    complain.value = true
    input.current?.focus()
  }
  const propose = () => {
    name.value = randomRoomName()
    complain.value = false
    input.current?.focus()
  }

  return (
    <>
      <Header />
      <main class="home">
        <h1>{t('title')}</h1>
        <p class="lead">{t('lead')}</p>
        {typed !== null && (
          <p class="mistyped">{isRoomName(typed) ? t('roomUnknown') : t('roomMistyped', { name: typed })}</p>
        )}
        <form class="card" onSubmit={open} noValidate>
          <label for="room">{t('roomName')}</label>
          <div class="field">
            <input
              id="room"
              ref={input}
              value={name.value}
              onInput={(event) => {
                name.value = event.currentTarget.value.trim()
                if (/[^A-Za-z0-9_-]/.test(name.value)) complain.value = true
              }}
              maxLength={256}
              autocomplete="off"
              autocapitalize="off"
              spellcheck={false}
              aria-describedby="room-rule"
              aria-invalid={wrong}
            />
            <button
              type="button"
              class="button button-icon"
              title={t('randomName')}
              aria-label={t('randomName')}
              onClick={propose}
            >
              <Icon name="dice" />
            </button>
          </div>
          <p id="room-rule" class={wrong ? 'hint hint-wrong' : 'hint'} aria-live="polite">
            {wrong ? t(characters ? 'roomNameCharacters' : 'roomNameShort') : t('roomNameRule')}
          </p>
          <button type="submit" class="button button-primary button-wide">
            {t('openRoom')}
            <Icon name="arrow" />
          </button>
        </form>
        {recent.value.length > 0 && (
          <section class="recent" aria-labelledby="recent">
            <div class="recent-head">
              <h2 id="recent">{t('recentRooms')}</h2>
              <button
                type="button"
                class="button button-quiet"
                onClick={() => {
                  forgetRooms()
                  recent.value = []
                }}
              >
                {t('clearRecent')}
              </button>
            </div>
            <ul>
              {recent.value.map((room) => (
                <li key={room}>
                  <a href={roomUrl(room)}>{room}</a>
                </li>
              ))}
            </ul>
          </section>
        )}
      </main>
    </>
  )
}

/** The rest of the link (such as `?it=relay`) goes along. */
function roomUrl(room: string): string {
  return `/r/${room}${location.search}`
}

/** What stands in the address of a page that is not there, as a person would read it; null on the home page. */
function typedRoom(path: string): string | null {
  const rest = path.replace(/^\/(?:r(?:oom)?\/)?/, '').replace(/\/+$/, '')
  if (rest === '') return null
  try {
    return decodeURIComponent(rest).trim()
  } catch {
    return rest
  }
}
