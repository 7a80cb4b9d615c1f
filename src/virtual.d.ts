/** The version in package.json; defined by the bundler. */
declare const __VERSION__: string

/** The bundled pages (src/web): every file with its compressed forms in base64, and what each page begins with. */
declare module 'virtual:page-assets' {
  export const files: readonly {
    readonly name: string
    readonly br: string
    readonly gzip: string
  }[]
  export const pages: Readonly<
    Record<'landing' | 'call', { readonly script: string; readonly style: string; readonly chunks: readonly string[] }>
  >
}

/** The bundled thread that relays (src/start/relaying/relay-thread.ts), as the text of a CommonJS script that finds `programUrl` defined. */
declare module 'virtual:relay-thread' {
  export const relayThread: string
}
