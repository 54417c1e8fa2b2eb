/** `network create` */
import type { IPAMConfig, NetworkCreateResponse } from '@docker/node-sdk';
import type { Command } from '../../command.ts';
import { CliError } from '../../errors.ts';
import { flag } from '../../flags/flag.ts';
import { contains, parseCidr } from '../../parse/cidr.ts';
import { checkLabel, keyValues } from '../../parse/env.ts';

type Draft = { -readonly [K in keyof IPAMConfig]: IPAMConfig[K] };

/** Joins subnets with the ranges, gateways and reserved addresses that lie in them. @throws Error with docker's words */
export function ipamConfig(
  subnets: readonly string[],
  ranges: readonly string[],
  gateways: readonly string[],
  auxiliary: Readonly<Record<string, string>>,
): IPAMConfig[] {
  if (subnets.length < ranges.length || subnets.length < gateways.length) {
    throw new Error('every ip-range or gateway must have a corresponding subnet');
  }
  const configs = new Map<string, Draft>();
  for (const subnet of subnets) {
    for (const other of configs.keys()) {
      if (contains(subnet, other) || contains(other, subnet))
        throw new Error('multiple overlapping subnet configuration is not supported');
    }
    configs.set(subnet, { Subnet: subnet, AuxiliaryAddresses: {} });
  }
  const place = (what: string, address: string, set: (config: Draft) => void): void => {
    const subnet = subnets.find((s) => contains(s, address));
    const config = subnet === undefined ? undefined : configs.get(subnet);
    if (!config) throw new Error(`no matching subnet for ${what} ${address}`);
    set(config);
  };
  for (const range of ranges) {
    place('range', range, (config) => {
      if (config.IPRange)
        throw new Error(
          `cannot configure multiple ranges (${range}, ${config.IPRange}) on the same subnet (${config.Subnet})`,
        );
      config.IPRange = range;
    });
  }
  for (const gateway of gateways) {
    place('gateway', gateway, (config) => {
      if (config.Gateway)
        throw new Error(
          `cannot configure multiple gateways (${gateway}, ${config.Gateway}) for the same subnet (${config.Subnet})`,
        );
      config.Gateway = gateway;
    });
  }
  for (const [name, address] of Object.entries(auxiliary)) {
    place('aux-address', address, (config) => {
      config.AuxiliaryAddresses = { ...config.AuxiliaryAddresses, [name]: address };
    });
  }
  return [...configs.values()];
}

const cidr = (value: string): string => {
  for (const item of value.split(',')) if (!parseCidr(item)) throw new Error(`invalid CIDR address: ${item}`);
  return value;
};

export const create: Command = {
  use: '[OPTIONS] NETWORK',
  args: { min: 1, max: 1 },
  flags: [
    flag('attachable', 'bool', 'Enable manual container attachment'),
    flag('aux-address', 'map', 'Auxiliary IPv4 or IPv6 addresses used by the network driver'),
    flag('config-from', 'string', 'The network from which to copy the configuration', {
      complete: 'networks',
    }),
    flag('config-only', 'bool', 'Create a configuration only network'),
    flag('driver,d', 'string', 'Driver to manage the network', {
      default: 'bridge',
      complete: ['bridge', 'ipvlan', 'macvlan'],
    }),
    flag('gateway', 'strings', 'IPv4 or IPv6 gateway for the subnet'),
    flag('ingress', 'bool', 'Create swarm routing-mesh network'),
    flag('internal', 'bool', 'Restrict external access to the network'),
    flag('ip-range', 'strings', 'Allocate container addresses from a sub-range'),
    flag('ipam-driver', 'string', 'IP address management driver', { default: 'default' }),
    flag('ipam-opt', 'map', 'Set IPAM driver specific options'),
    flag('ipv4', 'bool', 'Enable or disable IPv4 address assignment', { default: 'true' }),
    flag('ipv6', 'bool', 'Enable or disable IPv6 address assignment'),
    flag('label', 'list', 'Set metadata on a network', { parse: checkLabel }),
    flag('opt,o', 'map', 'Set driver specific options'),
    flag('scope', 'string', "Control the network's scope"),
    flag('subnet', 'strings', 'Subnet in CIDR format that represents a network segment', { parse: cidr }),
  ],
  async run(cli, flags, [name = '']) {
    let config: IPAMConfig[];
    try {
      config = ipamConfig(
        flags.list('subnet'),
        flags.list('ip-range'),
        flags.list('gateway'),
        keyValues(flags.list('aux-address')),
      );
    } catch (err) {
      throw new CliError((err as Error).message);
    }
    const from = flags.string('config-from');
    const result = await cli.client.json<NetworkCreateResponse>('POST', '/networks/create', {
      body: {
        Name: name,
        Driver: flags.string('driver'),
        Options: keyValues(flags.list('opt')),
        IPAM: {
          Driver: flags.string('ipam-driver'),
          Config: config,
          Options: keyValues(flags.list('ipam-opt')),
        },
        CheckDuplicate: true, // daemons before API 1.44 need it
        Internal: flags.bool('internal'),
        ...(flags.changed('ipv4') && { EnableIPv4: flags.bool('ipv4') }),
        ...(flags.changed('ipv6') && { EnableIPv6: flags.bool('ipv6') }),
        Attachable: flags.bool('attachable'),
        Ingress: flags.bool('ingress'),
        Scope: flags.string('scope'),
        ConfigOnly: flags.bool('config-only'),
        ...(from && { ConfigFrom: { Network: from } }),
        Labels: keyValues(flags.list('label')),
      },
    });
    if (result.Warning) cli.warn(result.Warning);
    cli.out.line(result.Id);
  },
};
