import type { CallParts } from './call-parts.ts'
import type { Commands } from './command.ts'
import { fullScreenSignal, toggleFullScreen } from './full-screen.ts'
import { copyText, roomLink } from './in-call/copy-text.ts'
import { documentPictureInPicture } from './small-window/document-window.ts'
import { toggleVideoWindow } from './small-window/video-window.ts'

/** Everything that has a button and a key, once. */
export function commandsOf(parts: CallParts): Commands {
  const { session, media, myself, chat, view } = parts
  const full = fullScreenSignal()
  const inCall = () => ['waiting', 'connecting', 'connected', 'reconnecting'].includes(session.phase.value)
  const beforeOrInCall = () => inCall() || session.phase.value === 'idle'
  const toggleSmallWindow = async (commands: Commands) => {
    const part = await import('./small-window/small-window.tsx')
    await part.toggleSmallWindow({ session, media, commands })
  }
  const commands: Commands = {
    talk: {
      keys: [' '],
      icon: () => 'microphone',
      label: () => 'pushToTalk',
      possible: true,
      enabled: () => inCall() && media.pushToTalk.value && media.microphone.value !== null,
      run: () => media.setMuted(false),
      release: () => media.setMuted(true),
    },
    mute: {
      keys: ['m', ' '],
      icon: () => (media.silent.value ? 'microphoneOff' : 'microphone'),
      label: () => (media.muted.value ? 'unmute' : 'mute'),
      tone: () => (media.silent.value ? 'off' : undefined),
      possible: true,
      enabled: () => beforeOrInCall() && media.microphone.value !== null,
      run: () => media.setMuted(!media.muted.value),
    },
    camera: {
      keys: ['v', 'c'],
      icon: () => (media.cameraOn.value ? 'camera' : 'cameraOff'),
      label: () => (media.cameraOn.value ? 'cameraOff' : 'cameraOn'),
      tone: () => (media.cameraOn.value ? undefined : 'off'),
      possible: true,
      enabled: () => beforeOrInCall() && (media.cameraOn.value || media.devices.camera.value.length > 0),
      run: () => void media.setCamera(!media.cameraOn.value),
    },
    screen: {
      keys: ['s'],
      icon: () => (media.screen.value === null ? 'screen' : 'screenOff'),
      label: () => (media.screen.value === null ? 'shareScreen' : 'stopSharing'),
      tone: () => (media.screen.value === null ? undefined : 'active'),
      possible: 'getDisplayMedia' in (navigator.mediaDevices ?? {}),
      enabled: inCall,
      run: () => void media.setScreen(media.screen.value === null),
    },
    chat: {
      keys: ['t'],
      icon: () => 'chat',
      label: () => 'chat',
      tone: () => (view.panel.value === 'chat' ? 'active' : undefined),
      count: () => chat.unread.value,
      possible: true,
      enabled: inCall,
      run: () => view.toggle('chat'),
    },
    react: {
      keys: ['r'],
      icon: () => 'smile',
      label: () => 'reactions',
      tone: () => (view.reacting.value || myself.hand.value ? 'active' : undefined),
      possible: true,
      enabled: inCall,
      run: () => view.toggleReacting(),
    },
    hand: {
      keys: ['h'],
      icon: () => 'hand',
      label: () => (myself.hand.value ? 'lowerHand' : 'raiseHand'),
      tone: () => (myself.hand.value ? 'active' : undefined),
      possible: true,
      enabled: inCall,
      run: () => myself.toggleHand(),
    },
    more: {
      keys: [],
      icon: () => 'more',
      label: () => 'more',
      tone: () => (view.menu.value ? 'active' : undefined),
      possible: true,
      enabled: inCall,
      run: () => view.toggleMenu(),
    },
    options: {
      keys: ['o'],
      icon: () => 'options',
      label: () => 'options',
      possible: true,
      enabled: inCall,
      run: () => view.toggle('options'),
    },
    statistics: {
      keys: ['i'],
      icon: () => 'graph',
      label: () => 'statistics',
      possible: true,
      enabled: inCall,
      run: () => view.toggle('statistics'),
    },
    shortcuts: {
      keys: ['?'],
      icon: () => 'keyboard',
      label: () => 'shortcuts',
      possible: true,
      enabled: inCall,
      run: () => view.toggle('shortcuts'),
    },
    fill: {
      keys: ['z'],
      icon: () => 'fill',
      label: () => (view.fill.value ? 'showWhole' : 'fillScreen'),
      possible: true,
      enabled: inCall,
      run: () => view.toggleFill(),
    },
    swap: {
      keys: ['x'],
      icon: () => 'swap',
      label: () => 'swap',
      possible: true,
      enabled: () => inCall() && session.phase.value !== 'waiting',
      run: () => view.swap(),
    },
    hideSelf: {
      keys: ['l'],
      icon: () => (view.selfHidden.value ? 'person' : 'hide'),
      label: () => (view.selfHidden.value ? 'showSelf' : 'hideSelf'),
      possible: true,
      enabled: inCall,
      run: () => view.toggleSelf(),
    },
    moveSelf: {
      keys: ['k'],
      icon: () => 'corner',
      label: () => 'moveSelf',
      possible: true,
      enabled: () => inCall() && !view.selfHidden.value,
      run: () => view.moveSelfOn(),
    },
    pictureInPicture: {
      keys: ['p'],
      icon: () => 'window',
      label: () => 'pictureInPicture',
      possible: documentPictureInPicture !== undefined || document.pictureInPictureEnabled === true,
      enabled: () => session.phase.value === 'connected',
      run: () => void (documentPictureInPicture === undefined ? toggleVideoWindow() : toggleSmallWindow(commands)),
    },
    fullScreen: {
      keys: ['f'],
      icon: () => (full.value ? 'shrink' : 'expand'),
      label: () => (full.value ? 'exitFullScreen' : 'fullScreen'),
      possible: true,
      enabled: inCall,
      run: () => void toggleFullScreen(),
    },
    copyLink: {
      keys: ['y'],
      icon: () => 'copy',
      label: () => 'copyLink',
      possible: true,
      enabled: inCall,
      run: () => void copyText(roomLink()).then((copied) => copied && view.say('linkCopied')),
    },
    hangUp: {
      keys: ['q'],
      icon: () => 'hangUp',
      label: () => 'hangUp',
      tone: () => 'danger',
      possible: true,
      enabled: inCall,
      run: () => void session.hangUp(),
    },
  }
  return commands
}
