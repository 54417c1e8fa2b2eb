/** `network connect` and `network disconnect` */
import { escapePath } from '../../client/client.ts';
import type { Command } from '../../command.ts';
import { flag } from '../../flags/flag.ts';
import { keyValues } from '../../parse/env.ts';
import { checkLink, toEndpointSettings } from '../../parse/network.ts';

export const connect: Command = {
  use: '[OPTIONS] NETWORK CONTAINER',
  args: { min: 2, max: 2 },
  complete: ['networks', 'containers'],
  flags: [
    flag('alias', 'strings', 'Add network-scoped alias for the container'),
    flag('driver-opt', 'strings', 'Driver options for the network'),
    flag(
      'gw-priority',
      'int',
      'Highest gw-priority provides the default gateway. Accepts positive and negative values.',
    ),
    flag('ip', 'string', 'IPv4 address (e.g., "172.30.100.104")'),
    flag('ip6', 'string', 'IPv6 address (e.g., "2001:db8::33")'),
    flag('link', 'list', 'Add link to another container', { parse: checkLink, complete: 'containers' }),
    flag('link-local-ip', 'strings', 'Add a link-local address for the container'),
  ],
  async run(cli, flags, [network = '', container = '']) {
    const endpoint = toEndpointSettings({
      target: network,
      aliases: flags.list('alias'),
      driverOpts: keyValues(flags.list('driver-opt')),
      links: flags.list('link'),
      ip: flags.string('ip'),
      ip6: flags.string('ip6'),
      linkLocal: flags.list('link-local-ip'),
      mac: '',
      gwPriority: flags.int('gw-priority'),
    });
    await cli.client.done('POST', `/networks/${escapePath(network)}/connect`, {
      body: { Container: container, EndpointConfig: endpoint },
    });
  },
};

export const disconnect: Command = {
  use: '[OPTIONS] NETWORK CONTAINER',
  args: { min: 2, max: 2 },
  complete: ['networks', 'containers'],
  flags: [flag('force,f', 'bool', 'Force the container to disconnect from a network')],
  async run(cli, flags, [network = '', container = '']) {
    await cli.client.done('POST', `/networks/${escapePath(network)}/disconnect`, {
      body: { Container: container, Force: flags.bool('force') },
    });
  },
};
