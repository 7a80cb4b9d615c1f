import { describe, expect, test } from 'vitest'
import { Chat } from '../../src/web/chat/chat.ts'
import { pieces } from '../../src/web/chat/links.ts'
import { maxTextLength, parseSaying, type Saying } from '../../src/web/link/talk.ts'

describe('a saying', () => {
  test.each([
    ['no text', 7],
    ['no JSON', 'x'],
    ['null', 'null'],
    ['an unknown type', '{"type":"dance"}'],
    ['a message without id', '{"type":"chat","text":"a"}'],
    ['a message without words', '{"type":"chat","id":"1","text":" \\n "}'],
    ['words of another kind', '{"type":"chat","id":"1","text":{"toString":1}}'],
    ['an id without end', JSON.stringify({ type: 'received', id: 'x'.repeat(33) })],
    ['too long', JSON.stringify({ type: 'chat', id: '1', text: 'x'.repeat(20_000) })],
  ])('that is %s is nobody’s', (_name, text) => {
    expect(parseSaying(text)).toBeNull()
  })

  test('has no characters that hide or turn others, and is bounded', () => {
    const said = parseSaying(JSON.stringify({ type: 'chat', id: '1', text: 'a\u202egnp.\u0007\r\nb\u200f' }))
    expect(said).toEqual({ type: 'chat', id: '1', text: 'a gnp. \nb' })
    expect(parseSaying(JSON.stringify({ type: 'chat', id: '1', text: 'x'.repeat(9000) }))).toMatchObject({
      text: 'x'.repeat(maxTextLength),
    })
  })
})

/** Two chats, and the wire between them while it is there. */
function chats() {
  const [a, b] = [new Chat(), new Chat()]
  const wire: Saying[] = []
  let receipts = true
  const to = (other: Chat, name: string) => ({
    say: (saying: Parameters<Chat['hear']>[0]) => {
      wire.push(saying)
      if (receipts || saying.type === 'chat') other.hear(saying, name)
    },
  })
  return {
    a,
    b,
    wire,
    loseReceipts: () => {
      receipts = false
    },
    meet: () => {
      b.reach(to(a, 'Bob'))
      a.reach(to(b, 'Ann'))
    },
    part: () => {
      a.reach(null)
      b.reach(null)
    },
  }
}

describe('a chat', () => {
  test('keeps what is written while alone for whoever comes, in its order', () => {
    const { a, b, meet } = chats()
    a.write('one')
    a.write('two')
    expect(a.messages.value.map(({ delivered }) => delivered)).toEqual([false, false])
    meet()
    expect(b.messages.value).toMatchObject([
      { from: { name: 'Ann' }, text: 'one' },
      { from: { name: 'Ann' }, text: 'two' },
    ])
    expect(a.messages.value.map(({ delivered }) => delivered)).toEqual([true, true])
  })

  test('says again what has no receipt, and shows it once', () => {
    const { a, b, loseReceipts, meet, part } = chats()
    meet()
    loseReceipts()
    a.write('hello')
    part()
    meet()
    expect(b.messages.value).toHaveLength(1)
    expect(a.messages.value).toMatchObject([{ delivered: false }])
  })

  test('does not tell the next one what was for the last', () => {
    const { a, b, meet, part, wire } = chats()
    meet()
    a.write('secret')
    part()
    wire.length = 0
    b.clear()
    meet()
    expect(wire).toEqual([])
  })

  test('counts what came while nobody looked', () => {
    const { a, b, meet } = chats()
    meet()
    a.write('1')
    a.write('2')
    expect(b.unread.value).toBe(2)
    b.reading = true
    a.write('3')
    expect(b.unread.value).toBe(0)
  })

  test('is bounded, and a stranger cannot receipt or replace what we wrote', () => {
    const { a, b } = chats()
    a.write('mine')
    const { id } = a.messages.value[0]!
    a.hear({ type: 'chat', id, text: 'forged' }, '')
    expect(a.messages.value.map(({ text }) => text)).toEqual(['mine', 'forged'])
    for (let i = 0; i < 1000; i++) b.hear({ type: 'chat', id: String(i), text: String(i) }, '')
    expect(b.messages.value).toHaveLength(200)
    expect(b.messages.value.at(-1)).toMatchObject({ text: '999' })
  })
})

test.each([
  ['nothing', 'plain <b>text</b>', []],
  ['an address', 'see https://example.com/a?b=c#d now', ['https://example.com/a?b=c#d']],
  ['the end of a sentence', 'at http://example.com/x.', ['http://example.com/x']],
  ['brackets', '(https://en.wikipedia.org/wiki/A_(b)) ok', ['https://en.wikipedia.org/wiki/A_(b)']],
  ['Chinese marks', '看https://example.com/会议。谢谢', ['https://example.com/%E4%BC%9A%E8%AE%AE']],
  ['two', 'https://a.example,https://b.example/', ['https://a.example,https://b.example/']],
  ['no scripts', 'javascript:alert(1) data:text/html,x file:///etc/passwd', []],
  ['no markup', 'https://a.example/"onclick="x', ['https://a.example/']],
])('finds links: %s', (_name, text, links) => {
  const found = pieces(text)
  expect(found.map(({ text }) => text).join('')).toBe(text)
  expect(found.flatMap(({ href }) => href ?? []).map((href) => href.replace(/(?<=example)\/$/, '/'))).toEqual(
    links.map((link) => new URL(link).href),
  )
})
