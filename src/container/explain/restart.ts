/** Whether a container that has ended comes back. */
import { ON_UNHEALTHY, policyRestarts } from '../restart-backoff.ts';
import type { ContainerRecord } from '../types.ts';
import type { Finding } from './finding.ts';

/** @param restartAt when its next start is due, in milliseconds since the epoch; undefined: none is */
export function explainRestart(record: ContainerRecord, restartAt: number | undefined): Finding | undefined {
  const { hostConfig, restartCount, state } = record;
  const policy: string = hostConfig.RestartPolicy?.Name || 'no';
  const max = hostConfig.RestartPolicy?.MaximumRetryCount ?? 0;
  if (policy === 'no') return undefined;
  const Evidence = [
    `restart policy ${policy}${max > 0 ? `, at most ${max} times` : ''}; restarted ${restartCount} times so far`,
  ];
  const limited = policy === 'on-failure' || policy === ON_UNHEALTHY;
  if (restartAt !== undefined) {
    const seconds = Math.max(0, (restartAt - Date.now()) / 1000).toFixed(1);
    const left = limited && max > 0 ? `, ${max - restartCount} tries are left` : '';
    return {
      Code: 'restart-pending',
      Text: `It keeps ending and is started again in ${seconds} seconds; the pauses double up to a minute${left}.`,
      Evidence,
      Try: ['Call it off with docker stop, or end the policy with docker update --restart no'],
    };
  }
  if (state.status !== 'exited') return undefined;
  if (limited && max > 0 && restartCount >= max && state.exitCode !== 0) {
    return {
      Code: 'restarts-used-up',
      Text: `Its restart policy has given up: all ${max} tries are used.`,
      Evidence,
      Try: ['Mend what makes it fail; docker start gives it all its tries again'],
    };
  }
  if (state.manuallyStopped) {
    return {
      Code: 'restart-held',
      Text: `Its restart policy ${policy} does not bring back what was stopped by hand${
        policy === 'always' ? ', until the daemon starts anew' : ''
      }.`,
      Evidence,
      Try: [`docker start ${record.name}`],
    };
  }
  if (state.error === '' && policyRestarts(record)) return undefined;
  if (state.error !== '') {
    return {
      Code: 'restart-failed',
      Text: 'Its restart policy does not try again what could not be started at all.',
      Evidence,
      Try: [`docker start ${record.name}, once the cause is mended`],
    };
  }
  return {
    Code: 'restart-not-due',
    Text: `Its restart policy ${policy} brings back failures, and this was none.`,
    Evidence,
    Try: [],
  };
}
