import { describe, expect, test } from 'vitest'
import { filesComplaint } from '../../src/commands/too-many-files.ts'
import { SystemCallError } from '../../src/net/linux/system-calls.ts'
import { program } from '../support/program.ts'

describe('a limit of open files that is too small', () => {
  test('for the program to load itself is one line with the fix', async () => {
    const { exitCode, err, out } = await program.run(['--version'], { descriptors: 28 })
    expect({ exitCode, out }).toEqual({ exitCode: 1, out: '' })
    expect(err).toBe(
      'webrtc-stack: too many open files: raise the limit (LimitNOFILE= in the systemd unit, or ulimit -n)\n',
    )
  })

  test.each([
    ['a system call of our own', new SystemCallError('eventfd', 'EMFILE')],
    ['node', Object.assign(new Error('ENFILE: file table overflow, open'), { code: 'ENFILE' })],
    [
      'a thread that could not start',
      new Error('ended before it was ready', { cause: new Error('Worker initialization failure: EMFILE') }),
    ],
  ])('is known when it comes from %s', (_name, error) => {
    expect(filesComplaint(error)).toMatch(/LimitNOFILE=.*ulimit -n/)
  })

  test('is not what every error is about', () => {
    expect(filesComplaint(new Error('bind: EADDRINUSE'))).toBeNull()
    expect(filesComplaint('EMFILE')).toBeNull()
  })
})
