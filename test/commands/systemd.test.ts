import { execFileSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { connect } from 'node:tls'
import { expect, test, vi } from 'vitest'
import { developmentCertificate } from '../../src/development-certificate.ts'
import { temporaryFolder } from '../config/loading.ts'
import { describeWith } from '../support/peers.ts'
import { program } from '../support/program.ts'
import { run } from '../support/turnutils.ts'
import { command } from './running.ts'

test('SEC-59 the unit runs without root and without rights it does not need', async () => {
  const { out, exitCode } = await command('systemd', '-n')
  expect(exitCode).toBe(0)
  const lines = out.split('\n')
  for (const line of [
    'DynamicUser=yes',
    'NoNewPrivileges=yes',
    'ProtectSystem=strict',
    'MemoryDenyWriteExecute=no',
    'CapabilityBoundingSet=CAP_NET_BIND_SERVICE',
    'AmbientCapabilities=CAP_NET_BIND_SERVICE',
    'RestartPreventExitStatus=78 2',
    '# Best run by the newest LTS of Node, which is Node 26.',
  ])
    expect(lines).toContain(line)
})

test('the unit hands over the files that this configuration names', async () => {
  const folder = temporaryFolder()
  const { cert, key } = await developmentCertificate([])
  writeFileSync(join(folder, 'c.pem'), cert)
  writeFileSync(join(folder, 'k.pem'), key)
  writeFileSync(join(folder, 't.conf'), `cert=${folder}/c.pem\npkey=${folder}/k.pem\n`)
  const { out } = await command('systemd', '-c', join(folder, 't.conf'))
  const copies = (when: string) => [
    `${when}=+/usr/bin/install -m 0444 ${folder}/t.conf %t/webrtc-stack/turnserver.conf`,
    `${when}=+/usr/bin/install -m 0444 ${folder}/c.pem %t/webrtc-stack/cert.pem`,
    `${when}=+/usr/bin/install -m 0444 ${folder}/k.pem %t/webrtc-stack/key.pem`,
  ]
  const commands = out.split('\n').filter((line) => line.startsWith('Exec'))
  expect(commands).toEqual([
    ...copies('ExecStartPre'),
    expect.stringMatching(
      / serve -c %t\/webrtc-stack\/turnserver\.conf --cert=%t\/webrtc-stack\/cert\.pem --pkey=%t\/webrtc-stack\/key\.pem$/,
    ),
    ...copies('ExecReload'),
    'ExecReload=/bin/kill -HUP $MAINPID',
  ])
  expect(commands[3]).toContain(process.execPath)
})

test('paths with blanks, quotes and percent signs stay one word of a command line', async () => {
  const folder = join(temporaryFolder(), `100% "a $b`)
  mkdirSync(folder)
  writeFileSync(join(folder, 't.conf'), 'realm=x\n')
  const { out } = await command('systemd', '-c', join(folder, 't.conf'))
  expect(out).toContain(`install -m 0444 "${dirname(folder)}/100%% \\"a $$b/t.conf" %t/`)
})

describeWith(['systemd'], 'systemd', () => {
  test('SEC-59 systemd finds the unit in order and little exposed', async () => {
    const { out } = await command('systemd', '-n')
    const file = join(temporaryFolder(), 'webrtc-stack.service')
    writeFileSync(file, out)
    // Its threshold is in tenths.
    const { code, text } = await run('systemd-analyze', ['security', '--offline=true', '--threshold=25', file], 10_000)
    expect(code, text).toBe(0)
    expect(text).toContain('Overall exposure level')
  })
})

test('the lines of the unit put a renewed certificate in front of new connections, and say so when it is the old one', async () => {
  const folder = temporaryFolder()
  const runtime = temporaryFolder()
  mkdirSync(join(runtime, 'webrtc-stack'))
  const renew = async () => {
    const { cert, key } = await developmentCertificate([])
    writeFileSync(join(folder, 'c.pem'), cert)
    writeFileSync(join(folder, 'k.pem'), key)
  }
  await renew()
  const settings = [`cert=${folder}/c.pem`, `pkey=${folder}/k.pem`, 'host=127.0.0.1', 'http-port=0', 'https-port=0']
  writeFileSync(join(folder, 't.conf'), `${settings.join('\n')}\n`)
  const { out } = await command('systemd', '-c', join(folder, 't.conf'))
  const lines = (name: string) =>
    out
      .split('\n')
      .filter((line) => line.startsWith(`${name}=`))
      .map((line) =>
        line
          .slice(name.length + 1)
          .replaceAll('%t', runtime)
          .replace(/^\+/, ''),
      )
  const execute = (name: string, mainPid?: number) => {
    for (const line of lines(name)) execFileSync('/bin/sh', ['-c', line.replace('$MAINPID', String(mainPid))])
  }

  execute('ExecStartPre')
  const words = lines('ExecStart')[0]!.split(' ')
  const server = program.start([...words.slice(words.indexOf('serve')), '--no-turn', '--no-signaling'])
  await vi.waitFor(() => expect(server.out).toMatch(/https:.*\n/), { timeout: 15_000 })
  const port = Number(/https:\/\/127\.0\.0\.1:(\d+)/.exec(server.out)![1])
  const serial = async () => {
    const socket = connect({ port, host: '127.0.0.1', rejectUnauthorized: false })
    await once(socket, 'secureConnect')
    const { serialNumber } = socket.getPeerCertificate()
    socket.destroy()
    return serialNumber
  }
  const said = (text: string) =>
    vi.waitFor(() => expect(server.log.filter(({ msg }) => String(msg).includes(text))).toHaveLength(1))

  const before = await serial()
  execute('ExecReload', server.pid)
  await said('the certificate is the same as before')
  expect(await serial()).toBe(before)
  await renew()
  execute('ExecReload', server.pid)
  await said('new connections get the new certificate')
  expect(await serial()).not.toBe(before)
})

test('the unit of a configuration that is not there yet says which file it expects', async () => {
  const { out, err, exitCode } = await command('systemd', '-n')
  expect([exitCode, out]).toEqual([
    0,
    expect.stringContaining('install -m 0444 /etc/turnserver.conf %t/webrtc-stack/turnserver.conf\n'),
  ])
  expect(err).toBe(
    'warning: no configuration file was found; the unit expects /etc/turnserver.conf, which `webrtc-stack init -c /etc/turnserver.conf` writes',
  )
})
