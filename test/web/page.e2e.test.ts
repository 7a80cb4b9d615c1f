import type { Page } from 'playwright-core'
import { expect, test, vi } from 'vitest'
import { callPages } from '../../src/http/page/page.ts'
import { dictionaries } from '../../src/web/text/i18n.ts'
import { Service } from '../http/service.ts'
import { describeWith } from '../support/peers.ts'
import { button, desktop, heading, join, look, playing, Visits } from './visits.ts'

const text = dictionaries.en

vi.setConfig({ testTimeout: 60_000 })

describeWith(['chromium', 'cjkFonts'], 'the page in Chromium', () => {
  const visits = new Visits()
  const visit = visits.visit.bind(visits)

  test('a room is chosen on the landing page', async () => {
    const page = await visit('/?it=all')
    await heading(page, text.title).waitFor()
    const input = page.getByLabel(text.roomName)
    expect(await input.inputValue()).toMatch(/^\d{9}$/)
    await look(page, 'home')
    await input.fill('abc')
    await input.press('Enter')
    await page.getByText(text.roomNameShort).waitFor()
    await input.fill('ab cd')
    await page.getByText(text.roomNameCharacters).waitFor()
    await look(page, 'home wrong name')
    await button(page, text.randomName).click()
    expect(await input.inputValue()).toMatch(/^\d{9}$/)
    await input.fill('room-home')
    await input.press('Enter')
    await heading(page, text.readyToJoin).waitFor()
    expect(page.url()).toBe(`${visits.origin}/r/room-home?it=all`)
  })

  test('a page that waits keeps its place for as long as the server says', async () => {
    // Times that differ from Collider's 10 s are what this is about.
    for (const [room, roomGraceSeconds, joins] of [
      ['room-short', 15, 2],
      ['room-long', 60, 1],
      ['room-ever', 0, 1],
    ] as const) {
      const other = await Service.start({ pages: callPages, http: { iceServerBaseUrl: '', roomGraceSeconds } })
      const base = `http://call.test:${other.listener.address.port}`
      // Its clock runs 20 s ahead from the moment in which it loses its socket.
      const page = await visit(
        `/r/${room}`,
        `const Real = WebSocket, now = performance.now.bind(performance); let ahead = 0; const made = []
         performance.now = () => now() + ahead
         window.WebSocket = class extends Real { constructor(url) { super(url); made.push(this) } }
         window.lose = () => { const one = made.at(-1); one.addEventListener('close', () => { setTimeout(() => { ahead = 20_000 }) }); one.close() }`,
        base,
      )
      let joined = 0
      page.on('request', (request) => {
        if (request.url().includes('/join/')) joined++
      })
      await button(page, text.joinWithoutCamera).click()
      await heading(page, text.waiting).waitFor()
      const before = other.hub.counters.totalSockets
      await page.evaluate('lose()')
      await expect.poll(() => other.hub.counters.totalSockets, { timeout: 10_000 }).toBe(before + joins)
      expect([room, joined]).toEqual([room, joins])
      await page.close()
      await other.close()
    }
  })

  test('AR-4.40 two people meet, one leaves, comes back, both reload, a third finds the room full', async () => {
    const a = await visit('/r/room-meet')
    await a.locator('.preview video').waitFor()
    await heading(a, text.readyToJoin).waitFor()
    await a.getByText('room-meet', { exact: true }).waitFor()
    await look(a, 'before joining')
    await a.keyboard.press('v')
    await a.getByText(text.cameraIsOff).waitFor()
    await look(a, 'before joining camera off')
    await a.keyboard.press('v')
    await button(a, text.cameraOff).waitFor()
    await button(a, text.join).click()
    await heading(a, text.waiting).waitFor()
    expect(await heading(a, text.readyToJoin).count()).toBe(0)
    await a.getByRole('img', { name: text.qrCode }).waitFor()
    await look(a, 'waiting')

    const b = await visit('/r/room-meet')
    await button(b, text.joinWithoutCamera).click()
    await a.getByText(text.direct, { exact: true }).waitFor()
    await b.getByText(text.direct, { exact: true }).waitFor()
    await playing(b)
    await a.getByText(text.remoteCameraOff).waitFor()
    await look(a, 'connected without picture of the other side')
    await button(b, text.cameraOn).click()
    await playing(a)
    await a.getByText(text.remoteCameraOff).waitFor({ state: 'detached' })
    await look(a, 'connected')
    await b.keyboard.press('m')
    await button(b, text.unmute).waitFor()
    await look(b, 'connected muted')

    const c = await visit('/r/room-meet')
    await heading(c, text.full).waitFor()
    await look(c, 'full')
    await button(c, text.tryAgain).click()
    await button(c, text.tryAgain).waitFor()

    await button(b, text.hangUp).click()
    await heading(b, text.ended).waitFor()
    await look(b, 'left')
    await a.getByText(text.peerLeft, { exact: true }).waitFor()
    await look(a, 'the other side left')
    await heading(c, text.readyToJoin).waitFor()

    await button(b, text.rejoin).click()
    await playing(a)
    // A reload comes back by itself, with the devices as they were.
    await a.keyboard.press('m')
    for (const page of [b, a]) {
      await page.reload()
      await playing(page)
    }
    await button(a, text.unmute).waitFor()
    await playing(b)
    await a.close()
    await heading(b, text.waiting).waitFor()
  }, 120_000)

  test('nothing that can be pressed moves: before the call, while waiting, when somebody comes', async () => {
    const slowly = `
      const real = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices)
      navigator.mediaDevices.getUserMedia = async (wanted) => {
        await new Promise((resolve) => setTimeout(resolve, 700))
        return real(wanted)
      }
      window.shifts = []
      new PerformanceObserver((list) => {
        for (const { value, sources } of list.getEntries())
          shifts.push([value, ...sources.map(({ node }) => node?.outerHTML?.slice(0, 120))].join(' '))
      }).observe({ type: 'layout-shift', buffered: true })`
    const places = (page: Page) =>
      page.evaluate(
        "Object.fromEntries([...document.querySelectorAll('button, a, select')].map((one) => { const { x, y } = one.getBoundingClientRect(); return [one.ariaLabel ?? one.textContent, [Math.round(x), Math.round(y)]] }))",
      ) as Promise<Record<string, number[]>>
    const stays = async (page: Page, before: Record<string, number[]>) => {
      const after = await places(page)
      for (const [name, place] of Object.entries(before))
        if (name in after) expect([name, after[name]]).toEqual([name, place])
    }
    for (const viewport of [desktop.viewport, { width: 390, height: 844 }, { width: 844, height: 390 }]) {
      const room = `/r/room-still-${viewport.width}`
      const a = await visit('/', slowly)
      await a.setViewportSize(viewport)
      await a.goto(visits.origin + room)
      await button(a, text.join).waitFor()
      const checking = await places(a)
      const { y, height } = (await button(a, text.join).boundingBox())!
      expect(y + height).toBeLessThanOrEqual(viewport.height)
      await a.locator('.picker select').last().waitFor()
      await stays(a, checking)
      await button(a, text.join).click()
      await heading(a, text.waiting).waitFor()
      const waiting = await places(a)
      const b = await visit(room)
      await join(b)
      await playing(a)
      await stays(a, waiting)
      expect(await a.evaluate('shifts')).toEqual([])
      await b.context().close()
    }
  })

  test('a mistyped room lands on the home page, with its name in the field and what is wrong with it', async () => {
    for (const [path, typed, rule] of [
      ['/r/a b!', 'a b!', text.roomNameCharacters],
      ['/r/会议室', '会议室', text.roomNameCharacters],
      ['/nosuch', 'nosuch', text.roomNameRule],
      ['/r/%E4%F6', '%E4%F6', text.roomNameCharacters],
    ] as const) {
      const page = await visit(path)
      expect(await page.getByLabel(text.roomName).inputValue()).toBe(typed)
      await page.getByText(rule, { exact: true }).waitFor()
      await page.getByText(typed === 'nosuch' ? text.roomUnknown : text.roomMistyped.replace('{name}', typed)).waitFor()
      await look(page, `mistyped ${typed === 'nosuch' ? 'name' : 'letters'}`)
      if (typed === 'nosuch') {
        await button(page, text.openRoom).click()
        await heading(page, text.readyToJoin).waitFor()
        expect(page.url()).toBe(`${visits.origin}/r/nosuch`)
      }
      visits.forgive('404')
    }
  })

  test('a second tab says that the call is in the first, and takes it over', async () => {
    const first = await visit('/r/room-tabs')
    const early = await first.context().newPage()
    await early.goto(`${visits.origin}/r/room-tabs`)
    await heading(early, text.readyToJoin).waitFor()
    await join(first)
    await heading(first, text.waiting).waitFor()
    await heading(early, text.elsewhere).waitFor()
    const late = await first.context().newPage()
    await late.goto(`${visits.origin}/r/room-tabs`)
    await heading(late, text.elsewhere).waitFor()
    await look(late, 'in another tab')
    const friend = await visit('/r/room-tabs')
    await join(friend)
    await playing(first)
    await button(late, text.takeOver).click()
    await heading(first, text.elsewhere).waitFor()
    await playing(late)
    await late.close()
    await heading(early, text.readyToJoin).waitFor()
  })

  const refuse = (video: string, audio = '') => `
      const real = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices)
      navigator.mediaDevices.getUserMedia = async (wanted) => {
        if (wanted.video && '${video}') throw new DOMException('as the test wants', '${video}')
        if (wanted.audio && '${audio}') throw new DOMException('as the test wants', '${audio}')
        return real(wanted)
      }`

  test.each([
    ['refused', refuse('NotAllowedError', 'NotAllowedError')],
    ['noCamera', refuse('NotFoundError')],
    ['noMicrophone', refuse('', 'NotFoundError')],
    ['noDevices', refuse('NotFoundError', 'NotFoundError')],
    ['cameraInUse', refuse('NotReadableError')],
    ['microphoneInUse', refuse('', 'NotReadableError')],
    ['mediaFailed', refuse('TypeError', 'TypeError')],
    ['checking', 'navigator.mediaDevices.getUserMedia = () => new Promise(() => {})'],
  ] as const)('says in plain words: %s, and can join all the same', async (status, script) => {
    const page = await visit(`/r/room-${status}`, script)
    await page.getByRole('main').getByText(text[status], { exact: true }).waitFor()
    await look(page, status)
    await button(page, text.join).click()
    await heading(page, text.waiting).waitFor()
  })

  test('says why there is no camera without https, and how to get one', async () => {
    const page = await visit('/r/room-plain', '', visits.origin.replace('call.', 'plain.'))
    await page.getByRole('main').getByText(text.insecure, { exact: true }).waitFor()
    await page.getByText(text.insecureHint).waitFor()
    await look(page, 'insecure')
    // Chromium's word about a header that has no effect without https.
    visits.forgive('Cross-Origin-Opener-Policy')
  })

  test('says that the server cannot be reached', async () => {
    const page = await visit('/r/room-offline')
    await page.route('**/join/**', (route) => route.abort())
    await join(page)
    await heading(page, text.unreachable).waitFor()
    await look(page, 'unreachable')
    await page.unroute('**/join/**')
    await button(page, text.tryAgain).click()
    await heading(page, text.waiting).waitFor()
    visits.forgive('net::ERR_FAILED')
  })

  const catchSockets = `
    window.sockets = []
    const Real = WebSocket
    window.WebSocket = class extends Real { constructor(url) { super(url); window.sockets.push(this) } }`

  test('a lost WebSocket does not end the call, and is replaced', async () => {
    const a = await visit('/r/room-socket', catchSockets)
    await a.getByRole('button', { name: 'Join', exact: true }).click()
    await a.getByRole('heading', { name: 'Waiting for the other side' }).waitFor()
    const b = await visit('/r/room-socket')
    await b.getByRole('button', { name: 'Join', exact: true }).click()
    await a.getByText('Direct', { exact: true }).waitFor()
    await a.evaluate('window.sockets[0].close()')
    await a.getByText(text.signalingLost).waitFor()
    await a.getByText(text.signalingLost).waitFor({ state: 'detached' })
    expect(await a.evaluate('window.sockets.length')).toBe(2)
    await a.getByText('Direct', { exact: true }).waitFor()
    await b.getByRole('button', { name: 'Hang up' }).click()
    await a.getByText('The other side left', { exact: true }).waitFor()
    await b.context().close()
  })

  test('a shared screen takes the place of the camera, without a new offer', async () => {
    const screen = `
      const offers = (window.offers = [])
      const post = fetch
      window.fetch = (url, init) => (String(init?.body).includes('"offer"') && offers.push(url), post(url, init))
      const send = WebSocket.prototype.send
      WebSocket.prototype.send = function (text) { if (text.includes('offer') && text.includes('v=0')) offers.push(this.url); send.call(this, text) }
      navigator.mediaDevices.getDisplayMedia = async () => {
        const canvas = Object.assign(document.createElement('canvas'), { width: 600, height: 600 })
        const pen = canvas.getContext('2d')
        setInterval(() => pen.fillRect(Math.random() * 600, Math.random() * 600, 20, 20), 50)
        return canvas.captureStream(20)
      }`
    const ratio = (page: Page) =>
      page.evaluate("(({ videoWidth: w, videoHeight: h }) => w / h)(document.querySelector('.remote'))")
    const a = await visit('/r/room-screen', screen)
    await join(a)
    await heading(a, text.waiting).waitFor()
    const b = await visit('/r/room-screen')
    await join(b)
    await playing(b)
    expect(await ratio(b)).not.toBe(1)
    await expect.poll(() => a.evaluate('offers.length'), { timeout: 10_000 }).toBe(2)
    const offers = await a.evaluate('offers.length')
    await a.keyboard.press('s')
    await button(a, text.stopSharing).waitFor()
    await expect.poll(() => ratio(b), { timeout: 20_000 }).toBe(1)
    await look(a, 'sharing the screen')
    await button(a, text.stopSharing).click()
    await expect.poll(() => ratio(b), { timeout: 20_000 }).not.toBe(1)
    expect(await a.evaluate('offers.length')).toBe(offers)
  })

  test.each(['call', 'plain'])('the link is copied, with https and without: %s', async (host) => {
    const page = await visit('/r/room-copy', '', visits.origin.replace('call.', `${host}.`))
    await button(page, text.join).click()
    await button(page, text.copyLink).click()
    await button(page, text.linkCopied).waitFor()
    await page.keyboard.press('y')
    await page.getByRole('status').getByText(text.linkCopied).waitFor()
    await page.keyboard.press('f')
    await button(page, text.more).click()
    await button(page, text.exitFullScreen).waitFor()
    visits.forgive('Cross-Origin-Opener-Policy')
  })

  test('a phone app is understood, down to the messages only phones send', async () => {
    const page = await visit('/r/room-phone')
    await page.getByRole('button', { name: 'Join', exact: true }).click()
    await page.getByRole('heading', { name: 'Waiting for the other side' }).waitFor()
    const { params } = await visits.service.join('room-phone')
    expect(params.is_initiator).toBe('false')
    const offer = params.messages.map((text) => JSON.parse(text)).find(({ type }) => type === 'offer')
    expect(offer.sdp).toMatch(/^m=audio /m)
    expect(offer.sdp).toMatch(/^m=video /m)
    const phone = await visits.service.register('room-phone', params.client_id)
    phone.send('{"type":"remove-candidates","candidates":[{"label":0,"id":"0","candidate":"candidate:1"}]}')
    phone.send('{\n  "type" : "bye"\n}')
    await page.getByText('The other side left', { exact: true }).waitFor()
  })

  test('the language is switched and stays so', async () => {
    const page = await visit('/')
    await page.getByRole('button', { name: '中文' }).click()
    await page.getByRole('heading', { name: dictionaries.zh.title }).waitFor()
    await page.reload()
    await page.getByRole('heading', { name: dictionaries.zh.title }).waitFor()
    expect(await page.evaluate('document.documentElement.lang')).toBe('zh-CN')
  })

  test('rooms that were joined are offered again, and can be forgotten', async () => {
    const page = await visit('/r/room-recent')
    await page.getByRole('button', { name: 'Join', exact: true }).click()
    await page.getByRole('button', { name: 'Hang up' }).click()
    await page.getByRole('link', { name: 'Home', exact: true }).last().click()
    await page.getByRole('link', { name: 'room-recent' }).waitFor()
    await page.getByRole('button', { name: 'Clear list' }).click()
    await page.reload()
    await page.getByRole('heading', { name: text.title }).waitFor()
    expect(await page.getByRole('link', { name: 'room-recent' }).count()).toBe(0)
  })

  test('every control is reached by keyboard and shows its focus', async () => {
    const page = await visit('/r/room-keys')
    await page.getByRole('button', { name: 'Join', exact: true }).click()
    await page.getByRole('heading', { name: 'Waiting for the other side' }).waitFor()
    const reached: string[] = []
    expect(await page.evaluate('document.activeElement.tagName')).toBe('H1')
    for (let i = 0; i < 12 && !reached.includes('Hang up'); i++) {
      await page.keyboard.press('Tab')
      const [name, outline] = (await page.evaluate(
        '[document.activeElement.ariaLabel ?? document.activeElement.textContent, getComputedStyle(document.activeElement).outlineStyle]',
      )) as [string, string]
      expect(outline, name).toBe('solid')
      reached.push(name)
    }
    expect(reached).toEqual(expect.arrayContaining(['Link to this room', 'Copy link', 'Mute', 'Camera off', 'Hang up']))
    await page.keyboard.press('Enter')
    await page.getByRole('heading', { name: 'You left the call' }).waitFor()
  })

  test('SEC-39 a hostile header message is shown as text', async () => {
    const hostile = '</script><img src=x onerror="document.title=\'owned\'">'
    const other = await Service.start({ pages: callPages, http: { headerMessage: hostile } })
    const page = await visit('/r/room-hostile', '', other.url)
    await page.getByText(hostile).waitFor()
    expect(await page.title()).toBe('room-hostile')
    await other.close()
  })
})
