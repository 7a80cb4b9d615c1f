import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { developmentCertificate } from '../../src/development-certificate.ts'
import { temporaryFolder } from '../config/loading.ts'
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
  expect(out).toContain(
    `\nLoadCredential=turnserver.conf:${folder}/t.conf\nLoadCredential=cert.pem:${folder}/c.pem\nLoadCredential=key.pem:${folder}/k.pem\n`,
  )
  const [start] = /^ExecStart=.*$/m.exec(out) ?? []
  expect(start).toContain(process.execPath)
  expect(start).toMatch(
    / serve -c \$\{CREDENTIALS_DIRECTORY\}\/turnserver\.conf --cert=\$\{CREDENTIALS_DIRECTORY\}\/cert\.pem /,
  )
})

test('the unit of a configuration that is not there yet says which file it expects', async () => {
  const { out, err, exitCode } = await command('systemd', '-n')
  expect([exitCode, out]).toEqual([0, expect.stringContaining('LoadCredential=turnserver.conf:/etc/turnserver.conf\n')])
  expect(err).toBe(
    'warning: no configuration file was found; the unit expects /etc/turnserver.conf, which `webrtc-stack init -c /etc/turnserver.conf` writes',
  )
})
