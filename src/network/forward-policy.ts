/**
 * Other people's firewalls. A packet must pass every base chain at its hook, so our table cannot allow what
 * another one drops: Docker and ufw set the policy of iptables' FORWARD chain to drop, and then containers
 * reach nothing beyond this host. In iptables' own tables (`ip filter`, kept by iptables-nft) there are known
 * places for exceptions: DOCKER-USER where Docker made it, else the head of FORWARD. Elsewhere we change
 * nothing, and say what drops.
 */
import { messageOf } from '../errdefs/index.ts';
import type { NftablesObject } from '../linux/index.ts';
import type { Firewall } from './firewall.ts';
import type { NetworkLog } from './types.ts';

/** A base chain that drops what nobody accepted. */
interface DroppingChain {
  family: string;
  table: string;
  name: string;
}

export class ForwardPolicy {
  readonly #firewall: Firewall;
  readonly #log: NetworkLog;
  readonly #told = new Set<string>();

  constructor(firewall: Firewall, log: NetworkLog) {
    this.#firewall = firewall;
    this.#log = log;
  }

  /** Lets the bridges `links` through where iptables would drop them. Costs a listing of all chains (1 ms). */
  allow(links: readonly string[]): void {
    try {
      const chains = this.#chains();
      const dropping = chains.filter(isDropping).filter((chain) => chain.table !== this.#firewall.table);
      const iptables = dropping.find(
        (c) => c.family === 'ip' && c.table === 'filter' && c.name === 'FORWARD',
      );
      if (iptables) this.#except(hasDockerUser(chains) ? 'DOCKER-USER' : 'FORWARD', links);
      for (const chain of dropping) if (chain !== iptables) this.#warn(chain);
      if (chains.some((chain) => chain.table === 'firewalld')) this.#warnOfFirewalld(links);
    } catch (err) {
      this.#log.warn(`cannot look for firewall rules that drop forwarded packets: ${messageOf(err)}`);
    }
  }

  /** Takes the exceptions for `links` back. */
  withdraw(links: readonly string[]): void {
    try {
      const chains = this.#chains();
      for (const name of ['DOCKER-USER', 'FORWARD']) {
        if (!chains.some((c) => c.family === 'ip' && c.table === 'filter' && c.name === name)) continue;
        const handles = this.#exceptions(name).flatMap(({ link, handle }) =>
          links.includes(link) ? [handle] : [],
        );
        if (handles.length === 0) continue;
        this.#firewall.nftables.run(
          handles.map((handle) => `delete rule ip filter ${name} handle ${handle}`).join('\n'),
        );
      }
    } catch (err) {
      this.#log.warn(`cannot remove our exceptions from the chain FORWARD of iptables: ${messageOf(err)}`);
    }
  }

  #except(chain: string, links: readonly string[]): void {
    const present = this.#exceptions(chain);
    const missing = links.filter((link) => present.filter((rule) => rule.link === link).length < 2);
    if (missing.length === 0) return;
    // In the form iptables itself writes, so that it can still read its table.
    this.#firewall.nftables.run(
      missing
        .flatMap((link) =>
          ['iifname', 'oifname'].map(
            (side) => `insert rule ip filter ${chain} ${side} "${link}" counter accept`,
          ),
        )
        .join('\n'),
    );
    this.#log.info(
      `the FORWARD chain of iptables drops by default: added rules to ${chain} that accept ${missing.join(', ')}`,
    );
  }

  /** Rules of a chain of `ip filter` that consist of an interface name and accept. */
  #exceptions(chain: string): Array<{ link: string; handle: number }> {
    return this.#firewall.nftables.list(`list chain ip filter ${chain}`).flatMap((object) => {
      const rule = object.rule;
      const expressions: unknown = rule?.expr;
      if (!Array.isArray(expressions) || typeof rule?.handle !== 'number') return [];
      const text = JSON.stringify(expressions);
      const [, link] =
        /^\[\{"match":\{"op":"==","left":\{"meta":\{"key":"[io]ifname"\}\},"right":"([^"]+)"\}\}/.exec(
          text,
        ) ?? [];
      const accepts = text.endsWith('{"accept":null}]') && expressions.length <= 3;
      return link !== undefined && accepts ? [{ link, handle: rule.handle }] : [];
    });
  }

  #warn(chain: DroppingChain): void {
    const name = `${chain.family} ${chain.table} ${chain.name}`;
    if (this.#told.has(name)) return;
    this.#told.add(name);
    this.#log.warn(
      `the nftables chain "${name}" drops forwarded packets by default: containers reach other hosts only if it accepts their bridges`,
    );
  }

  /** firewalld rejects by its last rule, not by policy, and writes its tables anew: a zone is the way. */
  #warnOfFirewalld(links: readonly string[]): void {
    for (const link of links) {
      if (this.#told.has(link)) continue;
      this.#told.add(link);
      this.#log.warn(
        `firewalld is active: for containers to reach other hosts run 'firewall-cmd --permanent --zone=trusted --add-interface=${link} && firewall-cmd --reload'`,
      );
    }
  }

  #chains(): Chain[] {
    return this.#firewall.nftables.list('list chains').flatMap(chainOf);
  }
}

interface Chain extends DroppingChain {
  hook: unknown;
  policy: unknown;
}

function chainOf(object: NftablesObject): Chain[] {
  const { family, table, name, hook, policy } = object.chain ?? {};
  if (typeof family !== 'string' || typeof table !== 'string' || typeof name !== 'string') return [];
  return [{ family, table, name, hook, policy }];
}

const isDropping = (chain: Chain): boolean =>
  chain.hook === 'forward' && chain.policy === 'drop' && ['ip', 'inet'].includes(chain.family);

const hasDockerUser = (chains: readonly Chain[]): boolean =>
  chains.some((c) => c.family === 'ip' && c.table === 'filter' && c.name === 'DOCKER-USER');
