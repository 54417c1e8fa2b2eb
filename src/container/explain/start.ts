/** Why a container did not start. */
import type { ContainerRecord } from '../types.ts';
import type { Finding } from './finding.ts';

/** Who has a port of this machine, in words; undefined: nobody now. */
export type PortHolder = (protocol: 'tcp' | 'udp', port: number) => string | undefined;

/** A kind of failed start, known by the error's words. */
interface Kind {
  code: string;
  pattern: RegExp;
  text: (match: RegExpExecArray, record: ContainerRecord) => string;
  tries: (match: RegExpExecArray, record: ContainerRecord) => string[];
}

const command = ({ path, args }: ContainerRecord): string => [path, ...args].join(' ');

const KINDS: readonly Kind[] = [
  {
    code: 'missing-loader',
    pattern: /its (loader \(dynamic linker\)|interpreter) (\S+) is not in the image/,
    text: ([, what, file], { path }) =>
      `Its program ${path} is there, but the ${what} it needs, ${file}, is not in the image.`,
    tries: ([, what = '']) =>
      what.startsWith('loader')
        ? [
            'Use a program built for this image’s C library (glibc programs do not run on Alpine’s musl), or one linked statically',
          ]
        : ['Install the interpreter in the image, or name the right one in the first line of the script'],
  },
  {
    code: 'script-line-endings',
    pattern: /its first line ends in CRLF/,
    text: (_, { path }) =>
      `Its script ${path} has Windows line endings (CRLF), so the kernel looks for an interpreter whose name ends in a carriage return.`,
    tries: () => ['Save the script with Unix line endings: dos2unix FILE, or git’s core.autocrlf=input'],
  },
  {
    code: 'wrong-architecture',
    pattern: /it is a program for (\S+), this machine is (\S+)/,
    text: ([, program, machine], { path }) =>
      `Its program ${path} is built for ${program}, and this machine is ${machine?.replace(/[^\w]+$/, '')}.`,
    tries: () => [
      'Use an image of this machine’s architecture (docker image inspect shows an image’s), or install an emulator (qemu-user, binfmt)',
    ],
  },
  {
    code: 'port-in-use',
    pattern:
      /Bind for \S+:(\d+) failed: port is already allocated|listen (tcp|udp)4 \S+:(\d+): bind: address already in use/,
    text: ([, bound, , listened]) =>
      `It could not have port ${bound ?? listened} of this machine: it is taken.`,
    tries: ([, bound, , listened]) => [
      `Publish another port (-p OTHER:PORT), or stop what has port ${bound ?? listened}, and start it again`,
    ],
  },
  {
    code: 'mount-missing',
    pattern: /bind source path does not exist: (\S+)|cannot access path (\S+): no such file/,
    text: ([, source, path]) => `What is to be mounted in it does not exist: ${source ?? path}.`,
    tries: ([, source, path]) => [`Make ${source ?? path}, and start it again`],
  },
  {
    code: 'working-directory',
    pattern: /chdir to cwd \(("[^"]*")\) set in config.json failed: (.*)$/,
    text: ([, directory, why]) => `Its working directory ${directory} cannot be entered: ${why}.`,
    tries: () => ['Give another with --workdir, or make it in the image'],
  },
  {
    code: 'unknown-user',
    pattern: /unable to find (user|group) (\S+?):? |no matching entries in (passwd|group) file/,
    text: (_, { config }) => `Its user ${config.User || ''} is not in the image’s /etc/passwd or /etc/group.`,
    tries: () => ['Give the number of a user (--user 1000), or add the user to the image'],
  },
  {
    code: 'program-not-found',
    pattern: /executable file not found|exec: .*: no such file or directory/,
    text: (_, { path }) => `Its program ${JSON.stringify(path)} is not in the image, or not in its PATH.`,
    tries: (_, record) => [
      `Check the command: it is \`${command(record)}\``,
      ...(record.path.includes(' ')
        ? ['The program’s name has a space in it: give program and arguments as words of their own']
        : []),
    ],
  },
  {
    code: 'program-not-executable',
    pattern: /permission denied|exec format error|is a directory/,
    text: (match, { path }) => `Its program ${path} cannot be executed: ${match.input.split(': ').at(-1)}.`,
    tries: () => [
      'Make it executable in the image (chmod +x), and see that it is a program or begins with #!',
    ],
  },
  {
    code: 'device-missing',
    pattern: /device .*no such file|error gathering device information.*"([^"]+)"/,
    text: ([message]) => `A device it asks for is not on this machine: ${message}.`,
    tries: () => ['Plug it in or load its driver, or start the container without it'],
  },
];

/**
 * @param record of a container that does not run
 * @param holder asked for the port when it is a port that was missing
 */
export function explainStart(record: ContainerRecord, holder: PortHolder): Finding | undefined {
  const { state } = record;
  if (state.error === '' || state.ending?.by === 'lost') {
    if (state.status !== 'created') return undefined;
    return {
      Code: 'never-started',
      Text: 'It was created and never started.',
      Evidence: [`created ${record.created}`],
      Try: [`docker start ${record.name}`],
    };
  }
  const Evidence = [`its start failed: ${state.error}`, ...exitEvidence(state.exitCode)];
  for (const { code, pattern, text, tries } of KINDS) {
    const match = pattern.exec(state.error);
    if (!match) continue;
    if (code === 'port-in-use') Evidence.push(...portEvidence(match, holder));
    return { Code: code, Text: text(match, record), Evidence, Try: tries(match, record) };
  }
  return {
    Code: 'start-failed',
    Text: 'It could not be started.',
    Evidence,
    Try: ['What is wrong stands in the evidence; the daemon’s log may say more'],
  };
}

function portEvidence([message, bound, protocol, listened]: RegExpExecArray, holder: PortHolder): string[] {
  const port = Number(bound ?? listened);
  const udp = protocol === 'udp' || message.includes('/udp');
  const found = holder(udp ? 'udp' : 'tcp', port);
  return [found ? `port ${port} is held by ${found}` : `nobody has port ${port} now: it can be tried again`];
}

const exitEvidence = (code: number): string[] =>
  code === 126 || code === 127
    ? [`exit code ${code}: the program ${code === 127 ? 'was not found' : 'could not be executed'}`]
    : [];
