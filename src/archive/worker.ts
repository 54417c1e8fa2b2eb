/** A worker thread that reads and writes the files of containers. */
import { ownFilesystemContext } from '../linux/index.ts';
import { serveJobs } from '../workers/index.ts';
import type { ArchiveJob, ArchiveResults } from './jobs.ts';
import { exportTree, get, put, stat } from './operations.ts';
import { withView } from './view.ts';

ownFilesystemContext();

serveJobs<ArchiveJob, ArchiveResults>({
  stat: ({ view, path }) => withView(view, (root) => stat(root, Buffer.from(path))),
  get: ({ view, path }, context) =>
    withView(view, async (root) => {
      const head = context.head.bind(context);
      await get(root, Buffer.from(path), head, (chunk) => context.write(chunk), view.ids);
      return undefined;
    }),
  put: ({ view, path, noOverwriteDirNonDir, owner }, context) =>
    withView(view, async (root) => {
      const request = { path: Buffer.from(path), noOverwriteDirNonDir, owner, ids: view.ids };
      await put(root, request, context);
      return undefined;
    }),
  export: ({ view }, context) =>
    withView(view, async (root) => {
      context.head(undefined);
      await exportTree(root, (chunk) => context.write(chunk), view.ids);
      return undefined;
    }),
});
