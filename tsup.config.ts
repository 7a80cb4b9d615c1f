import { readFileSync } from 'node:fs'
import { build, type Plugin } from 'esbuild'
import { defineConfig } from 'tsup'

const { version } = JSON.parse(readFileSync('package.json', 'utf8')) as { version: string }

/** Values that the sources take as constants; vitest.config.ts defines the same ones. */
export const defines = { __VERSION__: JSON.stringify(version) }

/** The call page's script and style, bundled for browsers. */
export function bundlePage(minify: boolean) {
  return build({
    entryPoints: { call: 'src/web/call.tsx' },
    bundle: true,
    write: false,
    metafile: true,
    outdir: '.',
    platform: 'browser',
    target: ['chrome100', 'firefox100', 'safari15'],
    format: 'iife',
    jsx: 'automatic',
    jsxImportSource: 'preact',
    legalComments: 'eof',
    charset: 'utf8',
    minify,
    define: defines,
  })
}

/** The source of a module that exports the text of each file of the page. */
export async function pageAssets(minify: boolean): Promise<string> {
  const { outputFiles } = await bundlePage(minify)
  const text = (ending: string) => JSON.stringify(outputFiles.find((file) => file.path.endsWith(ending))?.text ?? '')
  return `export const callScript = ${text('.js')}\nexport const callStyle = ${text('.css')}\n`
}

const embedPage: Plugin = {
  name: 'embed-page',
  setup({ onResolve, onLoad }) {
    onResolve({ filter: /^virtual:page-assets$/ }, () => ({ path: 'page-assets', namespace: 'page-assets' }))
    onLoad({ filter: /.*/, namespace: 'page-assets' }, async () => ({ contents: await pageAssets(true), loader: 'js' }))
  },
}

export default defineConfig({
  entry: { cli: 'src/cli.ts', 'start/relay-thread': 'src/start/relay-thread.ts' },
  format: 'esm',
  target: 'node20',
  platform: 'node',
  sourcemap: true,
  clean: true,
  dts: false,
  splitting: true,
  define: defines,
  esbuildPlugins: [embedPage],
})
