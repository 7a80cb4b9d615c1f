import type { Call } from '../call-parts.ts'
import { copyText } from '../in-call/copy-text.ts'
import { figuresOf } from '../link/figures.ts'
import type { Sample } from '../link/sampler.ts'
import { pathText, qualityWords } from '../status.ts'
import { t } from '../text/i18n.ts'
import { Panel } from '../widgets/panel.tsx'
import { Graph } from './graph.tsx'
import { reportOf } from './report.ts'

/** How the connection is, second by second, and how it goes. */
export function StatisticsPanel({ session, length, view }: Call) {
  const link = session.link.value
  const samples = link?.samples.value ?? []
  const figures = figuresOf(samples)
  const sample = samples.at(-1)
  const quality = link?.quality.value
  const copy = async () => {
    if (link !== null && (await copyText(reportOf(link, length.value)))) view.say('statisticsCopied')
  }
  return (
    <Panel title={t('statistics')} onClose={() => view.show(null)}>
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: who has no mouse scrolls it by the arrow keys */}
      <section class="panel-body" aria-label={t('statistics')} tabIndex={0}>
        {sample === undefined || quality === undefined ? (
          <p class="hint">{t('statisticsEmpty')}</p>
        ) : (
          <>
            <p class={`quality quality-${quality}`}>{t(qualityWords[quality])}</p>
            <Graph
              title={t('bitrate')}
              unit="kbit/s"
              least={100}
              lines={[
                { label: '↓', values: figures.map(({ receivedKbps }) => receivedKbps) },
                { label: '↑', values: figures.map(({ sentKbps }) => sentKbps) },
              ]}
            />
            <Graph
              title={t('roundTrip')}
              unit="ms"
              least={50}
              lines={[{ label: '', values: figures.map(({ roundTripMs }) => roundTripMs) }]}
            />
            <Graph
              title={t('loss')}
              unit="%"
              least={5}
              lines={[{ label: '', values: figures.map(({ lossPercent }) => lossPercent) }]}
            />
            <Graph
              title={t('jitter')}
              unit="ms"
              least={30}
              lines={[{ label: '', values: figures.map(({ jitterMs }) => jitterMs) }]}
            />
            <Facts sample={sample} />
            <button type="button" class="button" onClick={() => void copy()}>
              {t('copyStatistics')}
            </button>
          </>
        )}
      </section>
    </Panel>
  )
}

function Facts({ sample: { path, ends, incoming, outgoing } }: { sample: Sample }) {
  const facts = [
    [t('path'), path === null ? '–' : pathText(path)],
    [t('pathEnds'), ends === null ? '–' : `${ends.local} ⇄ ${ends.remote} (${ends.protocol})`],
    [t('pictureIn'), picture(incoming)],
    [t('pictureOut'), picture(outgoing)],
    [t('codecsIn'), codecs(incoming)],
    [t('codecsOut'), codecs(outgoing)],
  ] as const
  return (
    <dl class="facts">
      {facts.map(([name, value]) => (
        <div key={name}>
          <dt>{name}</dt>
          <dd>{value}</dd>
        </div>
      ))}
    </dl>
  )
}

function picture({ width, height, framesPerSecond }: Sample['incoming']): string {
  if (width === null || height === null) return '–'
  return `${width} × ${height}${framesPerSecond === null ? '' : `, ${Math.round(framesPerSecond)} fps`}`
}

function codecs({ soundCodec, pictureCodec }: Sample['incoming']): string {
  return [soundCodec, pictureCodec].filter((codec) => codec !== null).join(', ') || '–'
}
