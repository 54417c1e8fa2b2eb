/** Why a container is not healthy. */
import type { HealthCheck } from '../health-config.ts';
import { goDuration } from '../health-config.ts';
import type { HealthState, ProbeResult } from '../health-state.ts';
import type { ContainerRecord } from '../types.ts';
import { ago, type Finding } from './finding.ts';

/** @param record of a container that runs */
export function explainHealth(
  record: ContainerRecord,
  check: HealthCheck | undefined,
  health: HealthState | undefined,
): Finding | undefined {
  if (!check || !health || record.state.status !== 'running' || health.status === 'healthy') return undefined;
  const last = health.log.at(-1);
  const command = check.argv.join(' ');
  // The log keeps the probes of earlier runs.
  const current = last && Date.parse(last.Start) >= Date.parse(record.state.startedAt) ? last : undefined;
  const Evidence = [
    `its check is \`${command}\`, every ${goDuration(check.interval)}, ${check.retries} failures make it unhealthy`,
    ...(current ? [probeText(current)] : []),
  ];
  if (health.status === 'starting') {
    return {
      Code: 'health-starting',
      Text:
        current && current.ExitCode !== 0
          ? `It is not healthy yet: its last probe failed, ${health.failingStreak} of ${check.retries} that count.`
          : 'It is not known to be healthy yet: no probe has succeeded since its start.',
      Evidence,
      Try:
        current && current.ExitCode !== 0
          ? probeTries(current, check)
          : ['Wait for it: wharf wait --condition healthy'],
    };
  }
  if (health.failingStreak === 0) {
    return {
      Code: 'health-unknown',
      Text: 'It has been paused: what is not probed is called unhealthy until its next probe.',
      Evidence,
      Try: [],
    };
  }
  return {
    Code: 'unhealthy',
    Text: `It is unhealthy: its last ${health.failingStreak} probes failed${current ? reason(current) : ''}.`,
    Evidence,
    Try: current ? probeTries(current, check) : [],
  };
}

const reason = ({ ExitCode, Output }: ProbeResult): string =>
  ExitCode === -1 && Output.startsWith('Health check exceeded') ? ', the last for want of time' : '';

function probeText({ End, ExitCode, Output }: ProbeResult): string {
  const said = Output.trim() === '' ? 'and said nothing' : `and said: ${Output.trim()}`;
  return `the last probe ended ${ago(End)} with exit code ${ExitCode} ${said}`;
}

function probeTries({ ExitCode, Output }: ProbeResult, check: HealthCheck): string[] {
  if (ExitCode === -1 && Output.startsWith('Health check exceeded')) {
    return [
      `Give the probe more than ${goDuration(check.timeout)} with --health-timeout, or find out what it waits for`,
    ];
  }
  if (ExitCode === -1)
    return ['The probe itself cannot be run in this image: give another with --health-cmd'];
  if (ExitCode === 127)
    return ['The probe calls a command that is not in the image (curl and wget often are not)'];
  return [`Run it by hand: docker exec NAME ${check.argv.join(' ')}`];
}
