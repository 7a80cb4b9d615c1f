import { useEffect, useRef } from 'preact/hooks'
import type { Call } from '../call-parts.ts'
import { maxTextLength } from '../link/talk.ts'
import { language, t } from '../text/i18n.ts'
import { Icon } from '../widgets/icons.tsx'
import { Panel } from '../widgets/panel.tsx'
import type { Chat, ChatMessage } from './chat.ts'
import { pieces } from './links.ts'

/** What was written in this call, and a box to write in. */
export function ChatPanel({ session, chat, view }: Call) {
  const list = useRef<HTMLDivElement>(null)
  const messages = chat.messages.value
  const link = session.link.value
  useEffect(() => {
    chat.reading = true
    return () => {
      chat.reading = false
    }
  }, [])
  useEffect(() => {
    list.current?.lastElementChild?.scrollIntoView({ block: 'end' })
  }, [messages])
  // A phone app is there, and hears nothing of this.
  const deaf = session.phase.value === 'connected' && link?.kindred === false
  const alone = session.phase.value === 'waiting'
  return (
    <Panel title={t('chat')} onClose={() => view.show(null)}>
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: who has no mouse scrolls it by the arrow keys */}
      <div ref={list} class="chat-messages" role="log" aria-label={t('chat')} tabIndex={0}>
        {messages.length === 0 && <p class="chat-hint">{t('chatEmpty')}</p>}
        {messages.map((message) => (
          <Message key={message.id} message={message} />
        ))}
      </div>
      {(deaf || alone) && <p class="chat-hint">{t(deaf ? 'chatDeaf' : 'chatAlone')}</p>}
      <Write chat={chat} />
    </Panel>
  )
}

function Message({ message: { from, text, at, delivered } }: { message: ChatMessage }) {
  const time = new Date(at).toLocaleTimeString(language.value, { hour: '2-digit', minute: '2-digit' })
  return (
    <div class={from === null ? 'chat-message chat-mine' : 'chat-message'}>
      <p class="chat-from">
        <bdi>{from === null ? t('you') : from.name || t('otherSide')}</bdi> <time>{time}</time>
      </p>
      <p class="chat-text" dir="auto">
        {pieces(text).map(({ text: words, href }) =>
          href === undefined ? (
            words
          ) : (
            <a href={href} target="_blank" rel="noopener noreferrer nofollow">
              {words}
            </a>
          ),
        )}
      </p>
      {!delivered && <p class="chat-waits">{t('chatWaits')}</p>}
    </div>
  )
}

function Write({ chat }: { chat: Chat }) {
  const box = useRef<HTMLTextAreaElement>(null)
  const send = () => {
    const { current } = box
    if (current === null || !chat.write(current.value)) return
    current.value = ''
    current.focus()
  }
  return (
    <form
      class="chat-write"
      onSubmit={(event) => {
        event.preventDefault()
        send()
      }}
    >
      <textarea
        ref={box}
        rows={2}
        maxLength={maxTextLength}
        aria-label={t('chatWrite')}
        placeholder={t('chatWrite')}
        onKeyDown={(event) => {
          // Enter also ends the composition of a Chinese word, which is not sent by that.
          if (event.key !== 'Enter' || event.shiftKey || event.isComposing) return
          event.preventDefault()
          send()
        }}
      />
      <button type="submit" class="button button-primary button-icon" aria-label={t('send')} title={t('send')}>
        <Icon name="send" />
      </button>
    </form>
  )
}
