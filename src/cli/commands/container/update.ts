/** `update` */
import type { ContainerUpdateRequest, ContainerUpdateResponse } from '@docker/node-sdk';
import type { Command } from '../../command.ts';
import { CliError, messageOf, silentExit } from '../../errors.ts';
import { parseRestart } from '../../parse/policies.ts';
import { parseCpus } from '../../parse/resources.ts';
import { CONTAINER_FLAGS } from './container-flags.ts';
import { containerPath } from './lifecycle.ts';

/** Limits that can change while a container lives, and their names in the API. */
const LIMITS: ReadonlyArray<readonly [flag: string, key: keyof ContainerUpdateRequest]> = [
  ['blkio-weight', 'BlkioWeight'],
  ['cpu-period', 'CpuPeriod'],
  ['cpu-quota', 'CpuQuota'],
  ['cpu-rt-period', 'CpuRealtimePeriod'],
  ['cpu-rt-runtime', 'CpuRealtimeRuntime'],
  ['cpu-shares', 'CpuShares'],
  ['memory', 'Memory'],
  ['memory-reservation', 'MemoryReservation'],
  ['memory-swap', 'MemorySwap'],
  ['pids-limit', 'PidsLimit'],
];
const OTHERS = ['cpus', 'cpuset-cpus', 'cpuset-mems', 'restart'];

export const update: Command = {
  use: '[OPTIONS] CONTAINER [CONTAINER...]',
  args: { min: 1 },
  complete: ['containers'],
  flags: CONTAINER_FLAGS.filter(
    (f) => OTHERS.includes(f.name) || LIMITS.some(([name]) => name === f.name),
  ).map((f) => (f.name === 'restart' ? { ...f, default: '' } : f)),
  async run(cli, flags, names) {
    const given = [...LIMITS.map(([name]) => name), ...OTHERS].filter((name) => flags.changed(name));
    if (given.length === 0) throw new CliError('you must provide one or more flags when using this command');
    const body: Record<string, unknown> = {};
    for (const [name, key] of LIMITS) if (flags.changed(name)) body[key] = flags.int(name);
    if (flags.changed('cpus')) body.NanoCpus = parseCpus(flags.string('cpus'));
    if (flags.changed('cpuset-cpus')) body.CpusetCpus = flags.string('cpuset-cpus');
    if (flags.changed('cpuset-mems')) body.CpusetMems = flags.string('cpuset-mems');
    if (flags.changed('restart')) body.RestartPolicy = parseRestart(flags.string('restart'));
    const warnings: string[] = [];
    const errors: string[] = [];
    for (const name of names) {
      try {
        const result = await cli.client.json<ContainerUpdateResponse>(
          'POST',
          containerPath(name, '/update'),
          { body },
        );
        cli.out.line(name);
        warnings.push(...(result.Warnings ?? []));
      } catch (err) {
        errors.push(messageOf(err));
      }
    }
    for (const warning of warnings) cli.warn(warning);
    if (errors.length) {
      cli.err.line(errors.join('\n'));
      throw silentExit(1);
    }
  },
};
