import assert from 'node:assert/strict';
import { test } from 'node:test';
import { flag } from './flag.ts';
import { parseFlags } from './parse.ts';
import { flagUsages } from './usage.ts';

const table = [
  flag('all,a', 'bool', 'Show all'),
  flag('interactive,i', 'bool', 'Keep open'),
  flag('publish,p', 'list', 'Publish'),
  flag('last,n', 'int', 'Last', { default: '-1' }),
  flag('memory,m', 'bytes', 'Memory'),
  flag('name', 'string', 'Name'),
  flag('dns', 'strings', 'DNS'),
  flag('filter,f', 'filter', 'Filter'),
  flag('blkio', 'uint16', 'Weight', { default: '0' }),
];
const parse = (argv: string[], interspersed = true) => parseFlags(table, argv, { interspersed });

test('clusters, values in all their places, the end of flags', () => {
  const { flags, args } = parse([
    '-aip80:80',
    '-p=81',
    '-p',
    '82',
    '--publish=83',
    'x',
    '-n5',
    '--name',
    '-y',
    '--',
    '-a',
  ]);
  assert.deepEqual(flags.list('publish'), ['80:80', '81', '82', '83']);
  assert.equal(flags.bool('all') && flags.bool('interactive'), true);
  assert.equal(flags.int('last'), 5);
  assert.equal(flags.string('name'), '-y');
  assert.deepEqual(args, ['x', '-a']);
  assert.equal(parse(['-a=false']).flags.bool('all'), false);
  assert.equal(parse(['--all=f']).flags.bool('all'), false);
  assert.deepEqual(parse(['--dns', 'a,b', '--dns=c']).flags.list('dns'), ['a', 'b', 'c']);
  assert.equal(parse(['-m', '1k']).flags.int('memory'), 1024);
  assert.equal(parse(['-n', '0x10']).flags.int('last'), 16);
  assert.deepEqual(parse(['-f', ' Name = x']).flags.list('filter'), ['name=x']);
});

test('a command line of its own begins at the first argument', () => {
  const { flags, args } = parse(['-a', 'image', '-i', '--name', 'x'], false);
  assert.equal(flags.bool('interactive'), false);
  assert.deepEqual(args, ['image', '-i', '--name', 'x']);
});

test('mistakes in the words of pflag', () => {
  const cases: Array<[argv: string[], message: string]> = [
    [['--foo'], 'unknown flag: --foo'],
    [['--foo=1'], 'unknown flag: --foo'],
    [['-aZ'], "unknown shorthand flag: 'Z' in -Z"],
    [['-Za'], "unknown shorthand flag: 'Z' in -Za"],
    [['--name'], 'flag needs an argument: --name'],
    [['-ap'], "flag needs an argument: 'p' in -p"],
    [
      ['--all=x'],
      'invalid argument "x" for "-a, --all" flag: strconv.ParseBool: parsing "x": invalid syntax',
    ],
    [['-nx'], 'invalid argument "x" for "-n, --last" flag: strconv.ParseInt: parsing "x": invalid syntax'],
    [
      ['--blkio', '70000'],
      'invalid argument "70000" for "--blkio" flag: strconv.ParseUint: parsing "70000": value out of range',
    ],
    [['-f', 'x'], 'invalid argument "x" for "-f, --filter" flag: bad format of filter (expected name=value)'],
    [['-m', '1x'], `invalid argument "1x" for "-m, --memory" flag: invalid suffix: 'x'`],
    [['--=x'], 'bad flag syntax: --=x'],
  ];
  for (const [argv, message] of cases) assert.throws(() => parse(argv), { message }, argv.join(' '));
});

test('help is asked for', () => {
  assert.equal(parse(['--help', '--nonsense']).help, 'help');
  assert.equal(parse(['-h']).help, 'shorthand');
});

test('usages stand in a column and wrap', () => {
  const flags = [
    flag('zeta,z', 'bool', 'Last'),
    flag('alpha', 'string', 'A text long enough to be broken at the width of a terminal of eighty columns', {
      default: 'x',
    }),
    flag('secret', 'bool', 'Hidden', { hidden: true }),
  ];
  assert.equal(
    flagUsages(flags, 80),
    `      --alpha string   A text long enough to be broken at the width of a
                       terminal of eighty columns (default "x")
  -z, --zeta           Last`,
  );
});
