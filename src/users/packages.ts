/** A driver that is not installed: nobody needs all of them, so that an operator adds his own. */
export class MissingPackage extends Error {
  readonly fix: string

  constructor(name: string, version: string, cause: unknown) {
    super(`needs the package ${name}, which is not installed`, { cause })
    this.name = 'MissingPackage'
    this.fix = `npm install ${name}@${version} beside webrtc-stack (for npx: npx -p webrtc-stack -p ${name}@${version} webrtc-stack …)`
  }
}

/** What `load` imports; throws MissingPackage when it is not there. */
export async function driverPackage<Module>(
  name: string,
  version: string,
  load: () => Promise<Module>,
): Promise<Module> {
  try {
    return await load()
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code === 'ERR_MODULE_NOT_FOUND' || code === 'MODULE_NOT_FOUND') throw new MissingPackage(name, version, error)
    throw error
  }
}
