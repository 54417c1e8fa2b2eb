import { afterEach, describe } from 'node:test';
import { absent } from './harness/clients.ts';
import { useEngine } from './harness/engine.ts';
import { containersSuite } from './suites/cli-containers.ts';
import { imagesSuite } from './suites/cli-images.ts';
import { runSuite } from './suites/cli-run.ts';

describe('docker-20', { skip: absent('docker-20', 'docker-registry') }, () => {
  const engine = useEngine({ images: ['busybox', 'hello-world'] });
  const client = () => engine().cli('docker-20');
  // What a failed test left behind must not fail the next.
  afterEach(() => engine().clear());
  runSuite(client, engine);
  containersSuite(client, engine);
  imagesSuite(client, engine);
});
