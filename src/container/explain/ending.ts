/** How a container's last run ended, and by whose doing. */
import { signalName } from '../../linux/index.ts';
import type { ContainerRecord, Ending } from '../types.ts';
import { ago, type Finding, lasted, mebibytes } from './finding.ts';

/** What an exit code means by convention (bash(1) EXIT STATUS; sysexits.h has 64 to 78). */
function exitMeaning(code: number): string {
  if (code === 125) return '125: by convention the container engine’s or a wrapper’s own failure';
  if (code === 126) return '126: by a shell’s convention a command was found and could not be executed';
  if (code === 127) return '127: by a shell’s convention a command was not found';
  if (code === 128) return '128: by a shell’s convention an invalid exit argument';
  if (code > 128 && code <= 128 + 64)
    return `${code}: 128 + ${code - 128}, as after ${signalName(code - 128)}`;
  if (code === 255) return '255: exit(-1), or ssh’s and others’ general failure';
  return `${code}: the program’s own`;
}

/** What signals nobody sent mean, where that can be said. */
const SIGNALS: Readonly<Record<string, { text: string; tries: string[] }>> = {
  SIGSEGV: {
    text: 'The program crashed: it used memory that is not its own.',
    tries: ['Look for a core dump (--ulimit core=-1), and for a newer version of the program'],
  },
  SIGBUS: {
    text: 'The program crashed: memory it used was not behind its address, as with a full /dev/shm.',
    tries: ['Give it more shared memory: --shm-size 256m'],
  },
  SIGILL: {
    text: 'The program crashed on an instruction that this processor does not have.',
    tries: ['Use a build for this processor'],
  },
  SIGFPE: { text: 'The program crashed in arithmetic, as by a division by zero.', tries: [] },
  SIGABRT: { text: 'The program ended itself by abort(): it says why in its log, mostly.', tries: [] },
  SIGSYS: {
    text: 'The program made a system call that its seccomp profile answers with its end.',
    tries: ['Try with --security-opt seccomp=unconfined to be sure, then allow just that call in a profile'],
  },
  SIGXCPU: {
    text: 'The program used more processor time than its limit (ulimit cpu).',
    tries: ['Raise --ulimit cpu'],
  },
  SIGXFSZ: {
    text: 'The program wrote a file larger than its limit (ulimit fsize).',
    tries: ['Raise --ulimit fsize'],
  },
};

const DOINGS: Readonly<Record<Ending['by'], string>> = {
  stop: 'It was stopped',
  kill: 'It was killed',
  restart: 'It was stopped to be restarted',
  remove: 'It was ended to be removed',
  daemon: 'It was stopped by the daemon, which was going down',
  health: 'It was stopped because its health check failed',
  reboot: 'It was running when the machine went down',
  lost: 'It ended unseen: its monitor (wharf-shim) was killed',
};

/** @param record of a container that has run and does not run now */
export function explainEnding(record: ContainerRecord): Finding | undefined {
  const { state } = record;
  if (state.status !== 'exited') return undefined;
  const Evidence = [
    `exit code ${exitMeaning(state.exitCode)}`,
    `ended ${ago(state.finishedAt)}, after running ${lasted(state.startedAt, state.finishedAt)}`,
  ];
  return (
    oomKilled(record, Evidence) ??
    endedUnseen(record, Evidence) ??
    endedBySender(record, Evidence) ??
    endedBySignal(record, Evidence) ??
    endedByItself(record, Evidence)
  );
}

/** @param running a container that goes on has lost other processes than its first */
export function oomKilled({ state, hostConfig }: ContainerRecord, evidence: string[]): Finding | undefined {
  // What a user ended with SIGKILL after the kernel had killed a child was not ended by the kernel.
  const { oom, oomKilled: killed, ending } = state;
  const first = state.status === 'exited' && state.exitCode === 137 && ending?.signal !== 9;
  if (!killed || (state.status === 'exited' && !first)) return undefined;
  const limit = oom?.limit ?? (hostConfig.Memory || undefined);
  const who = oom?.process ? `its process ${oom.process}` : first ? 'it' : 'a process of it';
  const Text =
    limit === undefined
      ? `The kernel killed ${who} because the machine was out of memory.`
      : `The kernel killed ${who} because it needed more memory than its limit of ${mebibytes(limit)}.`;
  const Evidence = [
    'the kernel’s out-of-memory killer counted a kill in its control group',
    ...(limit === undefined ? [] : [`memory limit ${mebibytes(limit)} (${limit} bytes)`]),
    ...(oom?.peak === undefined ? [] : [`highest usage ${mebibytes(oom.peak)}`]),
    ...(oom && oom.kills > 1 ? [`${oom.kills} processes were killed`] : []),
    ...evidence,
  ];
  const Try =
    limit === undefined
      ? ['Give the machine more memory or swap, or other containers a limit']
      : [
          `Raise the limit: docker update --memory ${Math.ceil((limit * 2) / 1048576)}m --memory-swap -1 NAME, or --memory at docker run`,
          'Or have the program use less: many runtimes have a heap size of their own (-Xmx, --max-old-space-size)',
        ];
  return { Code: first ? 'oom-killed' : 'oom-killed-process', Text, Evidence, Try };
}

function endedUnseen({ state }: ContainerRecord, evidence: string[]): Finding | undefined {
  const { ending } = state;
  if (ending?.by !== 'reboot' && ending?.by !== 'lost') return undefined;
  const Evidence =
    ending.by === 'reboot'
      ? ['the machine’s boot id is another one than when it started', `noticed ${ago(ending.at)}`]
      : ['no exit record was left, and its monitor is gone'];
  return {
    Code: ending.by === 'reboot' ? 'machine-restarted' : 'monitor-lost',
    Text: `${DOINGS[ending.by]}. Its exit code is not known; 255 stands in its place.`,
    Evidence: [...Evidence, ...evidence.slice(1)],
    Try:
      ending.by === 'reboot'
        ? [
            'Start it with --restart unless-stopped, so that it comes back by itself (docker update --restart)',
          ]
        : ['Look for who killed it: the kernel’s log (dmesg), or an administrator'],
  };
}

function endedBySender({ state, name }: ContainerRecord, evidence: string[]): Finding | undefined {
  const { ending, exitCode } = state;
  if (!ending?.signal) return undefined;
  const { by, client, killedAfter } = ending;
  const signal = signalName(ending.signal);
  const Evidence = [
    `${client ?? 'this daemon'} asked for it (${by}) ${ago(ending.at)}: ${signal}`,
    ...evidence,
  ];
  const died = state.signal === ending.signal || exitCode === 128 + ending.signal;
  const how =
    killedAfter !== undefined
      ? `It did not end within ${killedAfter} seconds of its stop signal, so SIGKILL followed.`
      : died
        ? `${signal} ended it.`
        : `After ${signal} it ended with exit code ${exitCode}.`;
  const Try = by === 'daemon' ? [] : [`docker start ${name}`];
  if (killedAfter !== undefined) {
    Try.push(
      'Have the program handle its stop signal: a shell as first process passes none on (use exec, or --init)',
      'Or give it longer: --stop-timeout',
    );
  }
  const Code = {
    stop: 'stopped',
    restart: 'stopped',
    remove: 'stopped',
    kill: 'killed',
    daemon: 'stopped-by-daemon',
    health: 'stopped-unhealthy',
  }[by as 'stop'];
  return {
    Code: Code ?? 'stopped',
    Text: `${DOINGS[by]}${client ? ` by ${client}` : ''}. ${how}`,
    Evidence,
    Try,
  };
}

function endedBySignal({ state }: ContainerRecord, evidence: string[]): Finding | undefined {
  if (!state.signal) return undefined;
  const name = signalName(state.signal);
  const known = SIGNALS[name];
  const Evidence = [
    `its first process was ended by signal ${state.signal} (${name})`,
    'no client of this daemon sent it',
    ...evidence,
  ];
  if (known) return { Code: 'crashed', Text: `${known.text} (${name})`, Evidence, Try: known.tries };
  const Text =
    name === 'SIGKILL'
      ? 'It was killed with SIGKILL from outside of this engine: by an administrator, another program, or the kernel.'
      : `It was ended by ${name}, which came from outside of this engine or from the container itself.`;
  return { Code: 'killed-outside', Text, Evidence, Try: ['Look into the kernel’s log: dmesg -T | tail'] };
}

function endedByItself({ state, path, name }: ContainerRecord, evidence: string[]): Finding {
  const { exitCode } = state;
  if (exitCode === 0) {
    return {
      Code: 'finished',
      Text: 'Its program came to its end and reported success.',
      Evidence: evidence,
      Try: [
        'A container runs as long as its first process: a program that puts itself into the background ends it; keep it in the foreground',
      ],
    };
  }
  const Try = [`docker logs ${name}`];
  if (exitCode === 127) Try.push(`A command that ${path} calls is not in the image, or not in its PATH`);
  if (exitCode === 126) Try.push(`A command that ${path} calls is not executable`);
  if (exitCode > 128 && exitCode <= 192) {
    Try.push(
      `A process that ${path} started was ended by ${signalName(exitCode - 128)}, or it passes that on`,
    );
  }
  return {
    Code: 'failed',
    Text: `Its program ended itself with exit code ${exitCode}: a failure of its own.`,
    Evidence: evidence,
    Try,
  };
}
