import { counters, gauges, type Metric } from './table.ts'

/** The program itself: version, configuration, log. */
export const programMetrics: readonly Metric[] = [
  ...gauges(
    () => ({ [__VERSION__]: 1 }),
    [['webrtc_stack_info', 'Version of the program', 'version', (version) => version]],
  ),
  ...gauges(
    ({ reloads }) => reloads,
    [
      [
        'webrtc_stack_config_last_reload_successful',
        '0 when the last reload was refused',
        '',
        ({ isGood }) => Number(isGood),
      ],
      [
        'webrtc_stack_config_last_reload_success_timestamp_seconds',
        'When the configuration in force was read',
        '',
        ({ goodAt }) => goodAt / 1000,
      ],
    ],
  ),
  ...counters(
    ({ log, turn }) => ({ output: log?.output.dropped ?? 0, main_thread: turn?.workers?.droppedLines.total ?? 0 }),
    [
      [
        'webrtc_stack_log_lines_dropped_total',
        'Log lines that were dropped, by who was too slow for them',
        'reason',
        (dropped) => dropped,
      ],
    ],
  ),
]
