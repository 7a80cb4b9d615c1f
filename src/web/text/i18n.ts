import { signal } from '@preact/signals'
import { settings } from '../settings.ts'

export const languages = { en: 'English', zh: '中文' } as const
export type Language = keyof typeof languages

const english = {
  title: 'Video calls on your own server',
  lead: 'Pick a room, send the link, talk. Nothing to install.',
  roomName: 'Room name',
  roomNameRule: 'At least 5 characters: letters, digits, - and _',
  roomNameShort: 'Too short: at least 5 characters.',
  roomNameCharacters: 'Only letters, digits, - and _ are possible.',
  randomName: 'Another random name',
  openRoom: 'Open room',
  recentRooms: 'Recent rooms',
  clearRecent: 'Clear list',
  language: 'Language',
  home: 'Home',
  room: 'Room',

  readyToJoin: 'Ready to join?',
  join: 'Join',
  joining: 'Joining…',
  joinWithoutCamera: 'Join without camera',
  camera: 'Camera',
  microphone: 'Microphone',
  microphoneLevel: 'Microphone level',
  unnamedDevice: 'Device {number}',
  preview: 'Your picture',
  noOwnPicture: 'No camera picture',
  cameraIsOff: 'Your camera is off',
  askAgain: 'Try again',

  checking: 'Checking camera and microphone…',
  checkingHint: 'Your browser may ask for permission now.',
  refused: 'Camera and microphone are blocked',
  refusedHint:
    'Allow them for this site: click the icon beside the address, then try again. On a phone, check the system settings of the browser too.',
  insecure: 'The browser gives no camera to this address',
  insecureHint:
    'Browsers allow camera and microphone only on https:// and on localhost. Open this page with https://, or ask whoever runs the server to set a certificate (cert and pkey, or --dev to try it).',
  noCamera: 'No camera found',
  noCameraHint: 'You can join with sound alone, or plug one in and try again.',
  noMicrophone: 'No microphone found',
  noMicrophoneHint: 'The other side will see you but not hear you.',
  noDevices: 'No camera and no microphone found',
  noDevicesHint: 'You can still join to watch and listen.',
  cameraInUse: 'The camera is in use',
  cameraInUseHint: 'Another program holds it. Close that program and try again, or join with sound alone.',
  microphoneInUse: 'The microphone is in use',
  microphoneInUseHint: 'Another program holds it. Close that program and try again.',
  mediaFailed: 'Camera and microphone do not start',
  mediaFailedHint: 'The browser gave this reason: {reason}',

  waiting: 'Waiting for the other side',
  waitingHint: 'Send this link to one person. The call starts as soon as they join.',
  localhostHint:
    'This address works on this computer only. To invite others, open the page by the network address that the server printed at its start.',
  link: 'Link to this room',
  copyLink: 'Copy link',
  linkCopied: 'Link copied',
  shareLink: 'Share…',
  qrCode: 'QR code of the link to this room',
  scan: 'Or scan it with a phone',
  connecting: 'Connecting…',
  connected: 'Connected',
  direct: 'Direct',
  directHint: 'Sound and picture go straight to the other side.',
  relay: 'Via relay',
  relayProtocol: 'Via relay ({protocol})',
  relayHint: 'Sound and picture go through the relay, because there is no direct way.',
  reconnecting: 'Reconnecting…',
  signalingLost: 'No connection to the server; trying again…',
  peerLeft: 'The other side left',
  remoteVideo: 'Picture of the other side',
  localVideo: 'Your own picture',
  remoteCameraOff: 'No picture from the other side',
  tapToHear: 'Tap to hear the other side',

  controls: 'Call controls',
  mute: 'Mute',
  unmute: 'Unmute',
  cameraOff: 'Camera off',
  cameraOn: 'Camera on',
  shareScreen: 'Share screen',
  stopSharing: 'Stop sharing',
  fullScreen: 'Full screen',
  exitFullScreen: 'Leave full screen',
  pictureInPicture: 'Small window',
  hangUp: 'Hang up',
  screenFailed: 'The screen cannot be shared: {reason}',
  cameraFailed: 'The camera does not start: {reason}',
  noPath: 'No way to the other side found yet. Strict networks need a relay (TURN). Trying again…',
  noRelay: 'No way to the other side found yet, and the server named no relay (TURN). Trying again…',

  ended: 'You left the call',
  endedHint: 'The link still works, for you and for the other side.',
  rejoin: 'Rejoin',
  full: 'The room is full',
  fullHint: 'Two people are in “{room}” already. This page looks again by itself; you can also choose another room.',
  tryAgain: 'Try again',
  otherRoom: 'Another room',
  unreachable: 'The server cannot be reached',
  unreachableHint: 'Check your connection, then try again. Tried: {address}',
  refusedByServer: 'The server refused',
  refusedByServerHint: 'It answered “{reason}”. Wait a little, then try again.',
} as const

/** Every text of the page by name. */
export type TextKey = keyof typeof english

const chinese: Readonly<Record<TextKey, string>> = {
  title: '在自己的服务器上视频通话',
  lead: '选一个房间，发出链接，开始通话。无需安装。',
  roomName: '房间名',
  roomNameRule: '至少 5 个字符：字母、数字、- 和 _',
  roomNameShort: '太短了：至少 5 个字符。',
  roomNameCharacters: '只能使用字母、数字、- 和 _。',
  randomName: '换一个随机名',
  openRoom: '进入房间',
  recentRooms: '最近的房间',
  clearRecent: '清空列表',
  language: '语言',
  home: '首页',
  room: '房间',

  readyToJoin: '准备加入？',
  join: '加入',
  joining: '正在加入…',
  joinWithoutCamera: '不开摄像头加入',
  camera: '摄像头',
  microphone: '麦克风',
  microphoneLevel: '麦克风音量',
  unnamedDevice: '设备 {number}',
  preview: '你的画面',
  noOwnPicture: '没有摄像头画面',
  cameraIsOff: '你的摄像头已关闭',
  askAgain: '重试',

  checking: '正在检查摄像头和麦克风…',
  checkingHint: '浏览器可能会请求权限。',
  refused: '摄像头和麦克风被禁止',
  refusedHint: '请允许本网站使用：点击地址栏旁的图标，然后重试。在手机上还请检查系统中浏览器的权限。',
  insecure: '浏览器不允许此地址使用摄像头',
  insecureHint:
    '浏览器只在 https:// 和 localhost 上开放摄像头和麦克风。请用 https:// 打开本页，或请服务器管理员配置证书（cert 和 pkey，试用可加 --dev）。',
  noCamera: '没有找到摄像头',
  noCameraHint: '可以只用语音加入，或者插上摄像头后重试。',
  noMicrophone: '没有找到麦克风',
  noMicrophoneHint: '对方能看到你，但听不到你。',
  noDevices: '没有找到摄像头和麦克风',
  noDevicesHint: '你仍然可以加入观看和收听。',
  cameraInUse: '摄像头被占用',
  cameraInUseHint: '另一个程序正在使用它。请关闭该程序后重试，或只用语音加入。',
  microphoneInUse: '麦克风被占用',
  microphoneInUseHint: '另一个程序正在使用它。请关闭该程序后重试。',
  mediaFailed: '摄像头和麦克风无法启动',
  mediaFailedHint: '浏览器给出的原因：{reason}',

  waiting: '等待对方加入',
  waitingHint: '把链接发给一个人，对方加入后通话立即开始。',
  localhostHint: '此地址只能在本机使用。要邀请他人，请用服务器启动时显示的网络地址打开本页。',
  link: '房间链接',
  copyLink: '复制链接',
  linkCopied: '链接已复制',
  shareLink: '分享…',
  qrCode: '房间链接的二维码',
  scan: '或用手机扫码',
  connecting: '正在连接…',
  connected: '已连接',
  direct: '直连',
  directHint: '声音和画面直接传给对方。',
  relay: '经中继',
  relayProtocol: '经中继（{protocol}）',
  relayHint: '没有直连的路径，声音和画面经过中继服务器。',
  reconnecting: '正在重新连接…',
  signalingLost: '与服务器的连接已断开，正在重试…',
  peerLeft: '对方已离开',
  remoteVideo: '对方的画面',
  localVideo: '自己的画面',
  remoteCameraOff: '对方没有画面',
  tapToHear: '点按以收听对方',

  controls: '通话控制',
  mute: '静音',
  unmute: '取消静音',
  cameraOff: '关闭摄像头',
  cameraOn: '打开摄像头',
  shareScreen: '共享屏幕',
  stopSharing: '停止共享',
  fullScreen: '全屏',
  exitFullScreen: '退出全屏',
  pictureInPicture: '小窗口',
  hangUp: '挂断',
  screenFailed: '无法共享屏幕：{reason}',
  cameraFailed: '摄像头无法启动：{reason}',
  noPath: '尚未找到通往对方的路径。严格的网络需要中继（TURN）。正在重试…',
  noRelay: '尚未找到通往对方的路径，服务器也没有提供中继（TURN）。正在重试…',

  ended: '你已离开通话',
  endedHint: '链接仍然有效，你和对方都可以再次加入。',
  rejoin: '重新加入',
  full: '房间已满',
  fullHint: '“{room}” 里已经有两个人了。本页会自动再次查看，你也可以换一个房间。',
  tryAgain: '重试',
  otherRoom: '换个房间',
  unreachable: '无法连接服务器',
  unreachableHint: '请检查网络连接后重试。尝试的地址：{address}',
  refusedByServer: '服务器拒绝了请求',
  refusedByServerHint: '服务器回答“{reason}”。请稍等再试。',
}

export const dictionaries: Readonly<Record<Language, Readonly<Record<TextKey, string>>>> = { en: english, zh: chinese }

/** The language shown now; reading it in a component makes the component follow the switch. */
export const language = signal<Language>('en')

/** Shows a language and remembers it. */
export function chooseLanguage(chosen: Language): void {
  language.value = chosen
  settings.setItem('language', chosen)
}

/** The remembered choice, else the first of the browser's languages that we speak. */
export function preferredLanguage(stored: string | null, browser: readonly string[]): Language {
  if (stored === 'en' || stored === 'zh') return stored
  for (const tag of browser) {
    if (/^zh\b/i.test(tag)) return 'zh'
    if (/^en\b/i.test(tag)) return 'en'
  }
  return 'en'
}

/** The text in the language shown now, with `{name}` filled in. */
export function t(key: TextKey, values: Readonly<Record<string, string | number>> = {}): string {
  return dictionaries[language.value][key].replace(/\{(\w+)\}/g, (hole, name: string) => String(values[name] ?? hole))
}
