/** `port` */
import type { ContainerInspectResponse } from '@docker/node-sdk';
import type { Command } from '../../command.ts';
import { CliError } from '../../errors.ts';
import { cut } from '../../parse/csv.ts';
import { containerPath } from './lifecycle.ts';

const hostPort = (ip = '', port = ''): string => `${ip.includes(':') ? `[${ip}]` : ip}:${port}`;

/** Orders `9/tcp` before `80/tcp`. */
const natural = new Intl.Collator('en', { numeric: true });

export const port: Command = {
  use: 'CONTAINER [PRIVATE_PORT[/PROTO]]',
  args: { min: 1, max: 2 },
  complete: ['containers', []],
  flags: [],
  async run(cli, _flags, [name = '', wanted]) {
    const container = await cli.client.get<ContainerInspectResponse>(containerPath(name, '/json'));
    const ports = container.NetworkSettings?.Ports ?? {};
    if (wanted !== undefined) {
      const [number, proto = 'tcp'] = cut(wanted, '/');
      if (!/^\d+$/.test(number) || Number(number) > 65535)
        throw new CliError(`Error: invalid port (${number})`);
      const bindings = ports[`${number}/${proto}`];
      if (!bindings?.length) throw new CliError(`Error: No public port '${wanted}' published for ${name}`);
      cli.out.write(bindings.map((b) => `${hostPort(b.HostIp, b.HostPort)}\n`).join(''));
      return;
    }
    const lines = Object.entries(ports).flatMap(([from, bindings]) =>
      (bindings ?? []).map((b) => `${from} -> ${hostPort(b.HostIp, b.HostPort)}`),
    );
    cli.out.write(
      lines
        .toSorted(natural.compare)
        .map((line) => `${line}\n`)
        .join(''),
    );
  },
};
