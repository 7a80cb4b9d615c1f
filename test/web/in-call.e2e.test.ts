import type { Page } from 'playwright-core'
import { expect, test, vi } from 'vitest'
import { dictionaries } from '../../src/web/text/i18n.ts'
import { describeWith } from '../support/peers.ts'
import { button, heading, join, look, playing, Visits } from './visits.ts'

const text = dictionaries.en

vi.setConfig({ testTimeout: 60_000 })

describeWith(['chromium', 'cjkFonts'], 'in a call in Chromium', () => {
  const visits = new Visits()
  const say = async (page: Page, words: string) => {
    await page.getByLabel(text.chatWrite).fill(words)
    await page.getByLabel(text.chatWrite).press('Enter')
  }

  test('chat: what is written while alone goes to whoever comes, links are links and markup is text', async () => {
    const a = await visits.visit('/r/in-call-chat')
    await join(a)
    await heading(a, text.waiting).waitFor()
    await button(a, text.chat).click()
    await a.getByText(text.chatAlone).waitFor()
    await say(a, 'early bird')
    await a.getByText(text.chatWaits).waitFor()
    await look(a, 'chat alone')

    const b = await visits.visit('/r/in-call-chat')
    await join(b)
    await playing(b)
    await button(b, 'Chat, 1 new').waitFor()
    await look(b, 'chat unread')
    await b.keyboard.press('t')
    await b.getByText('early bird').waitFor()
    await a.getByText(text.chatWaits).waitFor({ state: 'detached' })
    await say(b, 'see <img src=x onerror=alert(1)> https://example.com/a_(b).')
    const link = a.getByRole('link', { name: 'https://example.com/a_(b)', exact: true })
    expect(await link.getAttribute('rel')).toBe('noopener noreferrer nofollow')
    expect(await a.locator('.chat-text img').count()).toBe(0)
    await say(a, '好的，谢谢！')
    await b.getByText('好的，谢谢！').waitFor()
    await look(b, 'chat')

    // Keys write while the box has the focus, and Escape gives it back to the button.
    await b.getByLabel(text.chatWrite).click()
    await b.keyboard.type('mq')
    expect(await b.getByLabel(text.chatWrite).inputValue()).toBe('mq')
    await b.keyboard.press('Escape')
    expect(await b.locator('.panel').count()).toBe(0)
    await say(a, 'more')
    await button(b, 'Chat, 1 new').waitFor()

    // A reload goes on with the call, and with what was written.
    await b.reload()
    await playing(b)
    await b.keyboard.press('t')
    await b.getByText('more').waitFor()
    await button(b, text.hangUp).click()
    await button(b, text.rejoin).click()
    await playing(b)
    await b.keyboard.press('t')
    await b.getByText(text.chatEmpty).waitFor()
    await a.getByText('early bird').waitFor()
  })
})
