/** Debian's docker-registry (Distribution 2.8) on the loopback of an engine's sandbox. */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { waitFor } from '../../scripts/engine-client.ts';
import { clientPath } from './clients.ts';
import type { Running } from './command.ts';
import type { TestEngine } from './engine.ts';

export const USER = 'wharf';
export const PASSWORD = 'open sesame';
/** bcrypt of {@link PASSWORD}; htpasswd's only form that the registry takes. */
const HTPASSWD = `${USER}:$2y$05$nOgaeg5CujPBSl94PahmNujg9DHnVAm8i14EJi/IN/ka2dbGJSjOq\n`;

let next = 5000;

export class Registry {
  /** host:port, as it stands in image names. */
  readonly address: string;
  readonly #process: Running;

  private constructor(address: string, process: Running) {
    this.address = address;
    this.#process = process;
  }

  static async start(engine: TestEngine, options: { authenticated?: boolean } = {}): Promise<Registry> {
    const address = `127.0.0.1:${next++}`;
    const directory = join(engine.sandbox.directory, `registry-${address}`);
    mkdirSync(directory);
    const users = engine.file('htpasswd', HTPASSWD);
    const config = {
      version: '0.1',
      log: { level: 'warn' },
      storage: { filesystem: { rootdirectory: directory }, delete: { enabled: true } },
      http: { addr: address },
      ...(options.authenticated ? { auth: { htpasswd: { realm: 'wharf test', path: users } } } : {}),
    };
    // JSON is YAML.
    const file = engine.file(`registry-${next}.yml`, JSON.stringify(config));
    const process = engine.helper([clientPath('docker-registry'), 'serve', file]);
    await waitFor('the registry to listen', async () => {
      const listening = await engine.sandbox.ok(['busybox', 'netstat', '-ltn']);
      return listening.includes(address);
    });
    return new Registry(address, process);
  }

  /** Ends it; what it stored stays in the sandbox. */
  async stop(): Promise<void> {
    this.#process.child.kill('SIGKILL');
    await this.#process.ended;
  }
}
