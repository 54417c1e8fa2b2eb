/** What the host is like: its routes and addresses, its way out, its nameservers. */
import type { Rtnetlink } from '../linux/index.ts';
import { parseResolvConf, type ResolvConf, readText } from './container-files.ts';
import { overlaps, type Prefix } from './ipv4.ts';
import { prefixOf } from './networks.ts';
import type { BridgeConfig, NetworkRecord } from './records.ts';
import { chooseSubnet, hostPrefixes, nameserverPrefixes } from './subnet-pool.ts';
import type { AddressPool } from './types.ts';

/** The stub of systemd-resolved, and where the servers behind it are listed. */
const STUB = '127.0.0.53';
const BEHIND_STUB = '/run/systemd/resolve/resolv.conf';

export class Surroundings {
  readonly #rtnetlink: Rtnetlink;
  readonly #options: { pools: readonly AddressPool[]; mtu: number | undefined; resolvConf: string };

  constructor(
    rtnetlink: Rtnetlink,
    options: { pools: readonly AddressPool[]; mtu: number | undefined; resolvConf: string },
  ) {
    this.#rtnetlink = rtnetlink;
    this.#options = options;
  }

  /** A subnet that neither the host nor one of `networks` uses; what `except` uses is free. */
  freeSubnet(networks: readonly NetworkRecord[], except?: NetworkRecord): Prefix {
    return chooseSubnet(this.#options.pools, [
      ...this.#usedByOthers(except?.bridge),
      ...nameserverPrefixes(readText(this.#options.resolvConf)),
      ...networks.flatMap((record) =>
        record.bridge && record !== except ? [prefixOf(record.bridge.subnet)] : [],
      ),
    ]);
  }

  /** Has the host another use for the bridge's subnet? */
  clashes(bridge: BridgeConfig): boolean {
    const subnet = prefixOf(bridge.subnet);
    return this.#usedByOthers(bridge).some((prefix) => overlaps(prefix, subnet));
  }

  /** 1500, or that of the link of the default route when it is smaller: then packets need no fragments on their way. */
  mtu(): number {
    if (this.#options.mtu) return this.#options.mtu;
    const way = this.#rtnetlink.routes().find((route) => route.to === 'default' && route.family === 4);
    const link = way?.index === undefined ? undefined : this.#rtnetlink.link(way.index);
    return Math.min(1500, link?.mtu ?? 1500);
  }

  /** The host's resolv.conf; where that names only systemd-resolved's stub, the servers behind it. */
  resolvConf(): ResolvConf {
    const conf = parseResolvConf(readText(this.#options.resolvConf));
    const stubOnly = conf.nameservers.length > 0 && conf.nameservers.every((address) => address === STUB);
    const behind = stubOnly ? readText(BEHIND_STUB) : '';
    return behind === '' ? conf : parseResolvConf(behind);
  }

  #usedByOthers(bridge: BridgeConfig | undefined): Prefix[] {
    const own = bridge && this.#rtnetlink.link(bridge.link);
    return hostPrefixes(this.#rtnetlink, new Set(own ? [own.index] : []));
  }
}
