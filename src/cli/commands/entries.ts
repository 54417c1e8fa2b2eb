/** The table of commands: where each stands, and the module that is loaded when it runs. */
import type { Entry } from './tree.ts';

/** `container x` and `x`. */
const both = (name: string): string[] => [`container ${name}`, name];
const image = (name: string): string[] => [`image ${name}`, name];

/** Every command. */
export const ENTRIES: readonly Entry[] = [
  {
    paths: both('attach'),
    short: 'Attach local standard input, output, and error streams to a running container',
    load: async () => (await import('./container/attach.ts')).attach,
  },
  {
    paths: both('commit'),
    short: "Create a new image from a container's changes",
    load: async () => (await import('./container/commit.ts')).commit,
  },
  {
    paths: both('cp'),
    short: 'Copy files between a container and the local filesystem',
    load: async () => (await import('./container/cp.ts')).cp,
  },
  {
    paths: both('create'),
    short: 'Create a new container',
    load: async () => (await import('./container/create.ts')).create,
  },
  {
    paths: both('diff'),
    short: "Show changes to files on a container's filesystem",
    load: async () => (await import('./container/diff.ts')).diff,
  },
  {
    paths: both('exec'),
    short: 'Execute a command in a running container',
    load: async () => (await import('./container/exec.ts')).exec,
  },
  {
    paths: both('explain'),
    short: 'Explain why a container is not running or not healthy',
    load: async () => (await import('./container/explain.ts')).explain,
  },
  {
    paths: both('export'),
    short: "Export a container's filesystem as a tar archive",
    load: async () => (await import('./container/export.ts')).exportContainer,
  },
  {
    paths: ['container inspect'],
    short: 'Display detailed information on containers',
    load: async () => (await import('./inspect.ts')).inspectContainers,
  },
  {
    paths: both('kill'),
    short: 'Kill one or more running containers',
    load: async () => (await import('./container/lifecycle.ts')).kill,
  },
  {
    paths: both('logs'),
    short: 'Fetch the logs of a container',
    load: async () => (await import('./container/logs.ts')).logs,
  },
  {
    paths: ['container ls', 'container list', 'container ps', 'ps'],
    short: 'List containers',
    load: async () => (await import('./container/list.ts')).list,
  },
  {
    paths: both('pause'),
    short: 'Pause all processes within one or more containers',
    load: async () => (await import('./container/lifecycle.ts')).pause,
  },
  {
    paths: both('port'),
    short: 'List port mappings or a specific mapping for the container',
    load: async () => (await import('./container/port.ts')).port,
  },
  {
    paths: ['container prune'],
    short: 'Remove all stopped containers',
    load: async () => (await import('./prune.ts')).pruneContainers,
  },
  {
    paths: both('rename'),
    short: 'Rename a container',
    load: async () => (await import('./container/lifecycle.ts')).rename,
  },
  {
    paths: both('restart'),
    short: 'Restart one or more containers',
    load: async () => (await import('./container/lifecycle.ts')).restart,
  },
  {
    paths: ['container rm', 'container remove', 'rm'],
    short: 'Remove one or more containers',
    load: async () => (await import('./container/lifecycle.ts')).remove,
  },
  {
    paths: both('run'),
    short: 'Create and run a new container from an image',
    load: async () => (await import('./container/run.ts')).run,
  },
  {
    paths: both('start'),
    short: 'Start one or more stopped containers',
    load: async () => (await import('./container/start.ts')).start,
  },
  {
    paths: both('stats'),
    short: "Display a live stream of containers' resource usage statistics",
    load: async () => (await import('./container/stats.ts')).stats,
  },
  {
    paths: both('stop'),
    short: 'Stop one or more running containers',
    load: async () => (await import('./container/lifecycle.ts')).stop,
  },
  {
    paths: both('top'),
    short: 'Display the running processes of a container',
    load: async () => (await import('./container/top.ts')).top,
  },
  {
    paths: both('unpause'),
    short: 'Unpause all processes within one or more containers',
    load: async () => (await import('./container/lifecycle.ts')).unpause,
  },
  {
    paths: both('update'),
    short: 'Update configuration of one or more containers',
    load: async () => (await import('./container/update.ts')).update,
  },
  {
    paths: both('wait'),
    short: 'Block until one or more containers stop, then print their exit codes',
    load: async () => (await import('./container/lifecycle.ts')).wait,
  },

  {
    paths: ['image build', 'build', 'builder build'],
    short: 'Build an image from a Dockerfile',
    load: async () => (await import('./image/build.ts')).build,
  },
  {
    paths: ['builder prune'],
    short: 'Remove build cache',
    load: async () => (await import('./prune.ts')).pruneBuilder,
  },
  {
    paths: image('history'),
    short: 'Show the history of an image',
    load: async () => (await import('./image/history.ts')).history,
  },
  {
    paths: image('import'),
    short: 'Import the contents from a tarball to create a filesystem image',
    load: async () => (await import('./image/import.ts')).importImage,
  },
  {
    paths: ['image inspect'],
    short: 'Display detailed information on images',
    load: async () => (await import('./inspect.ts')).inspectImages,
  },
  {
    paths: image('load'),
    short: 'Load an image from a tar archive or STDIN',
    load: async () => (await import('./image/load.ts')).load,
  },
  {
    paths: ['image ls', 'image list', 'images'],
    short: 'List images',
    load: async () => (await import('./image/list.ts')).list,
  },
  {
    paths: ['image prune'],
    short: 'Remove unused images',
    load: async () => (await import('./prune.ts')).pruneImages,
  },
  {
    paths: image('pull'),
    short: 'Download an image from a registry',
    load: async () => (await import('./image/pull.ts')).pull,
  },
  {
    paths: image('push'),
    short: 'Upload an image to a registry',
    load: async () => (await import('./image/push.ts')).push,
  },
  {
    paths: ['image rm', 'image remove', 'rmi'],
    short: 'Remove one or more images',
    load: async () => (await import('./image/remove.ts')).remove,
  },
  {
    paths: image('save'),
    short: 'Save one or more images to a tar archive (to STDOUT by default)',
    load: async () => (await import('./image/save.ts')).save,
  },
  {
    paths: ['search'],
    short: 'Search a registry for images',
    load: async () => (await import('./image/search.ts')).search,
  },
  {
    paths: image('tag'),
    short: 'Create a tag TARGET_IMAGE that refers to SOURCE_IMAGE',
    load: async () => (await import('./image/tag.ts')).tag,
  },

  {
    paths: ['network connect'],
    short: 'Connect a container to a network',
    load: async () => (await import('./network/connect.ts')).connect,
  },
  {
    paths: ['network create'],
    short: 'Create a network',
    load: async () => (await import('./network/create.ts')).create,
  },
  {
    paths: ['network disconnect'],
    short: 'Disconnect a container from a network',
    load: async () => (await import('./network/connect.ts')).disconnect,
  },
  {
    paths: ['network inspect'],
    short: 'Display detailed information on networks',
    load: async () => (await import('./inspect.ts')).inspectNetworks,
  },
  {
    paths: ['network ls', 'network list'],
    short: 'List networks',
    load: async () => (await import('./network/list.ts')).list,
  },
  {
    paths: ['network prune'],
    short: 'Remove all unused networks',
    load: async () => (await import('./prune.ts')).pruneNetworks,
  },
  {
    paths: ['network rm', 'network remove'],
    short: 'Remove one or more networks',
    load: async () => (await import('./network/remove.ts')).remove,
  },

  {
    paths: ['volume create'],
    short: 'Create a volume',
    load: async () => (await import('./volume/create.ts')).create,
  },
  {
    paths: ['volume inspect'],
    short: 'Display detailed information on volumes',
    load: async () => (await import('./inspect.ts')).inspectVolumes,
  },
  {
    paths: ['volume ls', 'volume list'],
    short: 'List volumes',
    load: async () => (await import('./volume/list.ts')).list,
  },
  {
    paths: ['volume prune'],
    short: 'Remove unused local volumes',
    load: async () => (await import('./prune.ts')).pruneVolumes,
  },
  {
    paths: ['volume rm', 'volume remove'],
    short: 'Remove one or more volumes',
    load: async () => (await import('./volume/remove.ts')).remove,
  },

  {
    paths: ['inspect'],
    short: 'Return low-level information on objects',
    load: async () => (await import('./inspect.ts')).inspect,
  },
  {
    paths: ['login'],
    short: 'Authenticate to a registry',
    load: async () => (await import('./system/login.ts')).login,
  },
  {
    paths: ['logout'],
    short: 'Log out from a registry',
    load: async () => (await import('./system/logout.ts')).logout,
  },
  {
    paths: ['version'],
    short: 'Show the version of client and daemon',
    load: async () => (await import('./system/version.ts')).version,
  },
  { paths: ['system df'], short: 'Show disk usage', load: async () => (await import('./system/df.ts')).df },
  {
    paths: ['system events', 'events'],
    short: 'Get real time events from the server',
    load: async () => (await import('./system/events.ts')).events,
  },
  {
    paths: ['system info', 'info'],
    short: 'Display system-wide information',
    load: async () => (await import('./system/info.ts')).info,
  },
  {
    paths: ['system prune'],
    short: 'Remove unused data',
    load: async () => (await import('./system/prune.ts')).prune,
  },
  {
    paths: ['context ls', 'context list'],
    short: 'List contexts',
    load: async () => (await import('./system/context.ts')).contextList,
  },
  {
    paths: ['context show'],
    short: 'Print the name of the current context',
    load: async () => (await import('./system/context.ts')).contextShow,
  },

  {
    paths: ['completion bash'],
    short: 'Write the completion script for bash',
    load: async () => (await import('../completion/command.ts')).bash,
  },
  {
    paths: ['completion fish'],
    short: 'Write the completion script for fish',
    load: async () => (await import('../completion/command.ts')).fish,
  },
  {
    paths: ['completion zsh'],
    short: 'Write the completion script for zsh',
    load: async () => (await import('../completion/command.ts')).zsh,
  },
  {
    paths: ['__complete'],
    hidden: ['__complete'],
    short: 'Give completions to a shell',
    load: async () => (await import('../completion/command.ts')).complete,
  },
];
