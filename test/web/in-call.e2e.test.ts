import type { Page } from 'playwright-core'
import { expect, test, vi } from 'vitest'
import { dictionaries } from '../../src/web/text/i18n.ts'
import { describeWith } from '../support/peers.ts'
import { button, heading, inspect, join, look, playing, Visits } from './visits.ts'

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

  /** What stands behind the page's back: its newest connection. */
  const watched = `
    const Native = RTCPeerConnection
    window.RTCPeerConnection = class extends Native { constructor(options) { super(options); window.connection = this } }
    window.sending = (kind) => connection.getTransceivers().find(({ receiver }) => receiver.track.kind === kind).sender`
  let rooms = 0

  /** Two people who see each other. */
  async function meet(script = ''): Promise<[Page, Page]> {
    const path = `/r/in-call-${++rooms}`
    const a = await visits.visit(path, watched + script)
    await join(a)
    await heading(a, text.waiting).waitFor()
    const b = await visits.visit(path, watched)
    await join(b)
    await Promise.all([playing(a), playing(b)])
    return [a, b]
  }

  const press = (page: Page, key: string) => page.keyboard.press(key)

  test('microphone, camera and loudspeaker are changed in the call, and stay so', async () => {
    const [a] = await meet()
    await button(a, text.more).click()
    await look(a, 'menu')
    await press(a, 'Escape')
    await press(a, 'o')
    const settingsPanel = a.getByRole('complementary', { name: text.options })
    const microphone = settingsPanel.getByRole('combobox', { name: text.microphone, exact: true })
    await look(a, 'options')
    const before = await a.evaluate("sending('audio').track.id")
    const other = await microphone.locator('option').last().getAttribute('value')
    await microphone.selectOption(other)
    await expect.poll(() => a.evaluate("sending('audio').track?.getSettings().deviceId")).toBe(other)
    expect(await a.evaluate("sending('audio').track.id")).not.toBe(before)
    const speaker = settingsPanel.getByRole('combobox', { name: text.speaker, exact: true })
    const loud = await speaker.locator('option').last().getAttribute('value')
    await speaker.selectOption(loud)
    await expect.poll(() => a.evaluate("document.querySelector('video.remote').sinkId")).toBe(loud)

    await settingsPanel.getByLabel(text.noiseSuppression).uncheck()
    await expect.poll(() => a.evaluate("sending('audio').track?.getSettings().noiseSuppression")).toBe(false)
    expect(await a.evaluate("sending('audio').track.getSettings().deviceId")).toBe(other)
    await a.reload()
    await playing(a)
    expect(await a.evaluate("sending('audio').track.getSettings()")).toMatchObject({
      deviceId: other,
      noiseSuppression: false,
    })
    expect(await a.evaluate("document.querySelector('video.remote').sinkId")).toBe(loud)
  })

  test('a headset that is plugged in is offered, and taken with a click', async () => {
    const [a] = await meet(`
      const list = navigator.mediaDevices.enumerateDevices.bind(navigator.mediaDevices)
      let plugged = false
      navigator.mediaDevices.enumerateDevices = async () => (await list()).filter(({ label }) => plugged || label !== 'Fake Audio Input 2')
      window.plugIn = (now) => { plugged = now; navigator.mediaDevices.dispatchEvent(new Event('devicechange')) }`)
    await a.evaluate('plugIn(true)')
    await a.getByText(text.pluggedIn.replace('{name}', 'Fake Audio Input 2')).waitFor()
    await look(a, 'headset')
    await a.evaluate('plugIn(false)')
    await button(a, text.use).waitFor({ state: 'detached' })
    await a.evaluate('plugIn(true)')
    await button(a, text.use).click()
    await expect.poll(() => a.evaluate("sending('audio').track?.label")).toBe('Fake Audio Input 2')
    expect(await button(a, text.use).count()).toBe(0)
  })

  /** The browser's own microphone beeps for 20 ms twice a second, which is no speech: this one hums. */
  const humming = `
    const ask = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices)
    navigator.mediaDevices.getUserMedia = async (wanted) => {
      const stream = await ask(wanted)
      const context = new AudioContext()
      const hum = context.createOscillator()
      const microphone = context.createMediaStreamDestination()
      hum.connect(microphone)
      hum.start()
      for (const track of stream.getAudioTracks()) {
        stream.removeTrack(track)
        track.stop()
        stream.addTrack(microphone.stream.getAudioTracks()[0])
      }
      return stream
    }`

  test('who talks while muted is told so, and push to talk is heard as long as the key is held', async () => {
    const [a] = await meet(humming)
    await press(a, 'm')
    await a.getByText(text.youAreMuted).waitFor()
    await look(a, 'muted and talking')
    await press(a, 'm')
    await a.getByText(text.youAreMuted).waitFor({ state: 'detached' })
    await press(a, 'o')
    await a.getByLabel(text.pushToTalk).check()
    const enabled = () => a.evaluate("sending('audio').track.enabled")
    expect(await enabled()).toBe(false)
    // Also with the focus on a button.
    await button(a, text.close).focus()
    await a.keyboard.down(' ')
    expect(await enabled()).toBe(true)
    await a.keyboard.up(' ')
    expect(await enabled()).toBe(false)
    expect(await a.locator('.panel').count()).toBe(1)
    await a.getByText(text.holdToTalk).waitFor()
  })

  test('data use: a small picture is sent, or none in either direction', async () => {
    const [a, b] = await meet()
    const width = (page: Page) => page.evaluate("document.querySelector('video.remote').videoWidth")
    const scale = () => a.evaluate("sending('video').getParameters().encodings[0].scaleResolutionDownBy")
    await press(a, 'o')
    await a.getByLabel(text.dataUse).selectOption('low')
    expect(await scale()).toBe(4)
    // A browser with much else to do sends still less.
    await expect.poll(() => width(b), { timeout: 20_000 }).toBeLessThanOrEqual(320)
    await a.getByLabel(text.dataUse).selectOption('sound')
    await a.getByText(text.soundOnly, { exact: true }).waitFor()
    await b.getByText(text.remoteCameraOff).waitFor()
    expect(await b.evaluate("sending('video').getParameters().encodings[0].active")).toBe(false)
    await look(a, 'sound only')
    await a.getByLabel(text.dataUse).selectOption('high')
    await expect.poll(scale).toBe(1)
    await expect.poll(() => width(b), { timeout: 30_000 }).toBeGreaterThan(320)
    await expect.poll(() => b.evaluate("sending('video').getParameters().encodings[0].active")).toBe(true)
  })

  test('a shared screen is heard, too, and says so with a way to stop', async () => {
    const [a] = await meet(`
      navigator.mediaDevices.getDisplayMedia = async (options) => {
        window.asked = options
        const canvas = Object.assign(document.createElement('canvas'), { width: 600, height: 600 })
        const pen = canvas.getContext('2d')
        setInterval(() => pen.fillRect(Math.random() * 600, Math.random() * 600, 20, 20), 50)
        const context = new AudioContext()
        const output = context.createMediaStreamDestination()
        const tone = context.createOscillator()
        tone.connect(output)
        tone.start()
        return new MediaStream([...canvas.captureStream(20).getTracks(), ...output.stream.getTracks()])
      }`)
    await press(a, 'm')
    const microphone = await a.evaluate("sending('audio').track.id")
    await press(a, 's')
    await a.getByText(text.youShare).waitFor()
    expect(await a.evaluate('asked')).toMatchObject({ audio: {}, systemAudio: 'include' })
    expect(await a.evaluate("sending('audio').track.id")).not.toBe(microphone)
    await look(a, 'sharing')
    await button(a, text.stop).click()
    await expect.poll(() => a.evaluate("sending('audio').track.id")).toBe(microphone)
  })

  test('people have names, and are seen to be muted, to raise a hand and to react', async () => {
    const a = await visits.visit('/r/in-call-people', watched)
    await a.locator('.preview video').waitFor()
    await a.getByLabel(text.yourName).fill('  Ann \u202e ')
    await join(a)
    await heading(a, text.waiting).waitFor()
    expect(await a.title()).toBe(`${text.waiting} – in-call-people`)
    const b = await visits.visit('/r/in-call-people')
    await join(b)
    await playing(b)
    const tile = b.locator('.tile', { has: b.locator('video.remote') })
    await tile.getByText('Ann', { exact: true }).waitFor()
    expect(await tile.getByText(text.isMuted).count()).toBe(0)
    await press(a, 'm')
    await tile.getByText(text.isMuted).waitFor()
    await press(a, 'r')
    await look(a, 'reactions')
    await press(a, 'h')
    await tile.getByText(text.handIsUp).waitFor()
    await b.getByText('Ann raises a hand').waitFor({ state: 'attached' })
    await look(b, 'a hand')
    await button(a, text.party).click()
    await b.getByText('Ann: Party').waitFor({ state: 'attached' })
    expect(await tile.locator('.reactions-shown').textContent()).toBe('🎉')
    await a.keyboard.press('1')
    await b.getByText('Ann: Thumbs up').waitFor({ state: 'attached' })
    await b.getByText('Ann: Thumbs up').waitFor({ state: 'detached' })
    await press(a, 'Escape')
    expect(await a.locator('.reaction-bar').count()).toBe(0)
    await press(a, 't')
    await say(a, 'hi')
    await button(b, 'Chat, 1 new').waitFor()
    expect(await b.title()).toBe('(1) in-call-people')
    await press(b, 't')
    await b.locator('.chat-from', { hasText: 'Ann' }).waitFor()
    expect(await b.title()).toBe('in-call-people')
  })

  test('our own picture is swapped, moved and hidden, and the other one fills the screen', async () => {
    const [a] = await meet()
    const large = (selector: string) => a.locator(`.tile-large ${selector}`).waitFor()
    await large('video.remote')
    await button(a, text.swap).click()
    await large('video.mirrored')
    await look(a, 'swapped')
    await press(a, 'x')
    await large('video.remote')

    const own = a.locator('.self')
    const box = (await own.boundingBox())!
    await a.mouse.move(box.x + 20, box.y + 20)
    await a.mouse.down()
    await a.mouse.move(300, 200, { steps: 4 })
    await a.mouse.up()
    await large('video.remote')
    const moved = (await own.boundingBox())!
    expect([moved.x < 300, moved.y < 300]).toEqual([true, true])
    await press(a, 'k')
    await expect.poll(async () => (await own.boundingBox())!.x).toBeGreaterThan(600)
    await press(a, 'l')
    expect(await own.isVisible()).toBe(false)
    await press(a, 'z')
    expect(await a.evaluate("getComputedStyle(document.querySelector('video.remote')).objectFit")).toBe('cover')
    await look(a, 'filled')
    await a.reload()
    await playing(a)
    expect((await own.boundingBox())!.y).toBeLessThan(300)
    expect(await a.evaluate("getComputedStyle(document.querySelector('video.remote')).objectFit")).toBe('cover')
  })

  test('a small window has the picture and the buttons', async () => {
    // A window of the same kind, but one that the test can look into: Chromium's own is shut to it.
    const [a] = await meet(`
      let small = null
      Object.defineProperties(documentPictureInPicture, {
        window: { get: () => (small === null || small.closed ? null : small) },
        requestWindow: { value: async ({ width, height }) => (small = open('', '', 'width=' + width + ',height=' + height)) },
      })`)
    const opened = a.waitForEvent('popup')
    await press(a, 'p')
    const small = await opened
    await expect.poll(() => small.evaluate("document.querySelector('video')?.videoWidth ?? 0")).toBeGreaterThan(0)
    // Its style came along.
    expect(await small.evaluate("getComputedStyle(document.querySelector('.round')).borderRadius")).toBe('50%')
    await inspect(small, 'small window')
    await button(small, text.mute).click()
    await button(a, text.unmute).waitFor()
    const closed = small.waitForEvent('close')
    await button(small, text.hangUp).click()
    await heading(a, text.ended).waitFor()
    await closed
  })

  test('the screen stays on, the call has a length, and comings and goings are heard', async () => {
    const listening = `
      window.heard = []
      const start = OscillatorNode.prototype.start
      OscillatorNode.prototype.start = function (...when) { heard.push(this.frequency.value); start.apply(this, when) }
      window.locks = 0
      navigator.wakeLock.request = async () => { locks++; return { release: async () => { locks-- } } }`
    const a = await visits.visit('/r/in-call-length', listening)
    await join(a)
    await heading(a, text.waiting).waitFor()
    const b = await visits.visit('/r/in-call-length', listening)
    await join(b)
    await playing(a)
    expect(await a.evaluate('locks')).toBe(1)
    await a.locator('.chip-time', { hasText: /^0:0[1-9]$/ }).waitFor()
    expect(await a.evaluate('heard')).toEqual([523, 784])
    await press(b, 'o')
    await b.getByLabel(text.sounds).uncheck()
    await b.evaluate('heard.length = 0')
    await button(a, text.hangUp).click()
    await a.getByText(/^The call lasted 0:\d\d\.$/).waitFor()
    await look(a, 'left after a while')
    await heading(b, text.waiting).waitFor()
    expect(await b.evaluate('heard')).toEqual([])
    expect(await a.evaluate('locks')).toBe(0)
  })

  test('statistics show how the connection is, and are copied without addresses', async () => {
    const [a] = await meet('\nnavigator.clipboard.writeText = async (copied) => { window.copied = copied }')
    await a.locator('.chip').click()
    await a.getByText(text.qualityGood).waitFor()
    const fact = (name: string) => a.locator('.facts > div', { has: a.getByText(name, { exact: true }) }).locator('dd')
    await expect.poll(() => fact(text.pictureIn).textContent(), { timeout: 10_000 }).toMatch(/^\d+ × \d+, \d+ fps$/)
    expect(await fact(text.path).textContent()).toBe(text.direct)
    expect(await fact(text.pathEnds).textContent()).toMatch(/^\w+ ⇄ \w+ \(udp\)$/)
    expect(await fact(text.codecsIn).textContent()).toMatch(/^opus, VP[89]|^opus, H264|^opus, AV1/)
    // A point for each second.
    await expect.poll(() => a.locator('.graph path').first().getAttribute('d'), { timeout: 10_000 }).toMatch(/^M.*L.*L/)
    await look(a, 'statistics')
    await button(a, text.copyStatistics).click()
    await a.getByText(text.statisticsCopied).waitFor()
    const report = JSON.parse((await a.evaluate('copied')) as string)
    expect(report).toMatchObject({ quality: 'good', otherSide: 'this page', path: { kind: 'direct' } })
    expect(report.seconds.at(-1).receivedKbps).toBeGreaterThan(10)
    expect(JSON.stringify(report)).not.toMatch(/127\.0\.0\.1|in-call-|\d+\.\d+\.\d+\.\d+:\d/)
    await press(a, 'i')
    expect(await a.locator('.panel').count()).toBe(0)
  })

  test('the keys of the first page for such calls do the same here, and ? shows all', async () => {
    const [a] = await meet()
    await press(a, ' ')
    await button(a, text.unmute).waitFor()
    await press(a, 'c')
    await button(a, text.cameraOn).waitFor()
    await press(a, 'l')
    expect(await a.locator('.self').isVisible()).toBe(false)
    await press(a, 'i')
    await a.getByRole('complementary', { name: text.statistics }).waitFor()
    await press(a, '?')
    const shown = a.getByRole('complementary', { name: text.shortcuts })
    await shown.waitFor()
    for (const [label, keys] of [
      [text.unmute, `M${text.spaceBar}`],
      [text.cameraOn, 'VC'],
      [text.statistics, 'I'],
      [text.fullScreen, 'F'],
      [text.hangUp, 'Q'],
    ] as const)
      expect(
        await shown
          .locator('.facts > div', { has: a.getByText(label, { exact: true }) })
          .locator('dd')
          .textContent(),
      ).toBe(keys)
    await look(a, 'shortcuts')
    await press(a, 'q')
    await heading(a, text.ended).waitFor()
  })

  test('a link says how sound and picture are sent and received', async () => {
    const path = '/r/in-call-link?vsbr=300&asbr=24&vrbr=400&vrc=VP9&vsc=VP9&stereo=true&opusdtx=true&hd=true'
    const a = await visits.visit(path, watched)
    await join(a)
    await heading(a, text.waiting).waitFor()
    const b = await visits.visit('/r/in-call-link', watched)
    await join(b)
    await Promise.all([playing(a), playing(b)])
    const encoding = (kind: string) => a.evaluate(`sending('${kind}').getParameters().encodings[0].maxBitrate`)
    expect([await encoding('video'), await encoding('audio')]).toEqual([300_000, 24_000])
    expect(await b.evaluate('connection.remoteDescription.sdp')).toMatch(/b=AS:400\r\n/)
    const understood = await a.evaluate('connection.remoteDescription.sdp')
    expect(understood).toMatch(/^a=fmtp:\d+ .*stereo=1/m)
    expect(understood).toMatch(/^a=fmtp:\d+ .*usedtx=1/m)
    expect(await a.evaluate("sending('video').track.getSettings().width")).toBe(1280)
    for (const page of [a, b]) {
      await press(page, 'i')
      await page.getByText('opus, VP9').first().waitFor()
    }
  })

  test('menu and settings by keyboard alone', async () => {
    const a = await visits.visit('/r/in-call-keys')
    await join(a)
    await heading(a, text.waiting).waitFor()
    const focus = (name: string) =>
      expect
        .poll(() => a.evaluate('document.activeElement.ariaLabel ?? document.activeElement.textContent.slice(0, 40)'))
        .toContain(name)
    await button(a, text.more).focus()
    await press(a, 'Enter')
    await focus(text.options)
    await press(a, 'ArrowDown')
    await focus(text.statistics)
    await press(a, 'ArrowUp')
    await press(a, 'ArrowUp')
    await focus(text.copyLink)
    await press(a, 'Escape')
    await focus(text.more)
    await press(a, 'Enter')
    await press(a, 'Enter')
    await a.getByRole('complementary', { name: text.options }).waitFor()
    await focus(text.options)
    const reached = new Set<unknown>()
    for (let i = 0; i < 14; i++) {
      await press(a, 'Tab')
      reached.add(
        await a.evaluate('document.activeElement.labels?.[0]?.textContent ?? document.activeElement.ariaLabel'),
      )
      expect(await a.evaluate('getComputedStyle(document.activeElement).outlineStyle')).toBe('solid')
    }
    for (const name of [
      text.close,
      text.microphone,
      text.camera,
      text.speaker,
      text.dataUse,
      text.echoCancellation,
      text.sounds,
    ])
      expect([...reached]).toContain(name)
  })
})
