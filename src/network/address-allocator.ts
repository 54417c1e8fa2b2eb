/**
 * The addresses of one network. The next free one after the last given is taken, not the lowest: an
 * address is not used again soon, so what neighbours still remember of its last holder does no harm.
 */
import { conflict, system } from '../errdefs/index.ts';
import { contains, formatIpv4, type Prefix, sizeOf } from './ipv4.ts';

export class AddressAllocator {
  readonly #subnet: Prefix;
  readonly #range: Prefix;
  readonly #used = new Set<number>();
  #next: number;

  /**
   * @param subnet the network's; its first and last address are never given
   * @param range the part of it that is handed out (`--ip-range`)
   * @param reserved gateway and auxiliary addresses
   */
  constructor(subnet: Prefix, range: Prefix, reserved: readonly number[]) {
    this.#subnet = subnet;
    this.#range = range;
    this.#next = range.base;
    for (const address of reserved) this.#used.add(address);
    if (subnet.length < 31) {
      this.#used.add(subnet.base);
      this.#used.add(subnet.base + sizeOf(subnet) - 1);
    }
  }

  /** Takes any free address of the range. */
  take(): number {
    const size = sizeOf(this.#range);
    const offset = this.#next - this.#range.base;
    for (let i = 0; i < size; i++) {
      const address = this.#range.base + ((offset + i) % size);
      if (this.#used.has(address)) continue;
      this.#used.add(address);
      this.#next = address + 1;
      return address;
    }
    throw system("no available IPv4 addresses on this network's address pools");
  }

  /** Takes this address. Docker's wording when it is not to be had. */
  claim(address: number): void {
    if (!contains(this.#subnet, address)) {
      throw system(
        `Invalid address ${formatIpv4(address)}: It does not belong to any of this network's subnets`,
      );
    }
    if (this.#used.has(address)) throw conflict('Address already in use');
    this.#used.add(address);
  }

  /** Notes a lease read from the database, and goes on after it. */
  restore(address: number): void {
    this.#used.add(address);
    if (contains(this.#range, address) && address >= this.#next) this.#next = address + 1;
  }

  give(address: number): void {
    this.#used.delete(address);
  }
}
