import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Template } from '../../template/index.ts';
import { formatGoDuration, humanDuration, parseGoDuration } from './duration.ts';
import { indentJson, parseExact, sortedJson } from './json.ts';
import { renderList } from './list.ts';
import { alignTabs } from './tabwriter.ts';
import { ellipsis, truncateId } from './text.ts';
import { bytesSize, formatG, humanSize, ramInBytes } from './units.ts';

test('sizes as go-units writes them', () => {
  const cases: Array<[bytes: number, four: string, three: string, binary: string]> = [
    [0, '0B', '0B', '0B'],
    [999, '999B', '999B', '999B'],
    [1000, '1kB', '1kB', '1000B'],
    [1024, '1.024kB', '1.02kB', '1KiB'],
    [999_999, '1000kB', '1e+03kB', '976.6KiB'],
    [1_981_568, '1.982MB', '1.98MB', '1.89MiB'],
    [25_273_761_792, '25.27GB', '25.3GB', '23.54GiB'],
    [3.42e12, '3.42TB', '3.42TB', '3.11TiB'],
  ];
  for (const [bytes, four, three, binary] of cases) {
    assert.equal(humanSize(bytes), four);
    assert.equal(humanSize(bytes, 3), three);
    assert.equal(bytesSize(bytes), binary);
  }
  assert.equal(formatG(0.00001234, 3), '1.23e-05');
});

test('memory sizes as flags take them', () => {
  const good: Array<[text: string, bytes: number]> = [
    ['1024', 1024],
    ['1b', 1],
    ['32kb', 32768],
    ['32KiB', 32768],
    ['1.5g', 1610612736],
    ['10 mb', 10485760],
    ['1P', 1024 ** 5],
  ];
  for (const [text, bytes] of good) assert.equal(ramInBytes(text), bytes, text);
  assert.throws(() => ramInBytes('xx'), { message: "invalid size: 'xx'" });
  assert.throws(() => ramInBytes('1x'), { message: "invalid suffix: 'x'" });
  assert.throws(() => ramInBytes('-5'), { message: "invalid size: '-5'" });
  assert.throws(() => ramInBytes(''), { message: "invalid size: ''" });
});

test('durations in words', () => {
  const cases: Array<[seconds: number, text: string]> = [
    [0.4, 'Less than a second'],
    [1, '1 second'],
    [59, '59 seconds'],
    [60, 'About a minute'],
    [119, 'About a minute'],
    [120, '2 minutes'],
    [3600, 'About an hour'],
    [3600 * 1.6, '2 hours'],
    [3600 * 47, '47 hours'],
    [3600 * 48, '2 days'],
    [86400 * 13, '13 days'],
    [86400 * 14, '2 weeks'],
    [86400 * 60, '2 months'],
    [86400 * 365 * 2, '2 years'],
  ];
  for (const [seconds, text] of cases) assert.equal(humanDuration(seconds), text, String(seconds));
});

test('durations in Go syntax', () => {
  assert.equal(parseGoDuration('1h30m'), 5400e9);
  assert.equal(parseGoDuration('1.5s'), 1.5e9);
  assert.equal(parseGoDuration('-10ms'), -10e6);
  assert.equal(formatGoDuration(5400e9), '1h30m0s');
  assert.equal(formatGoDuration(1.5e9), '1.5s');
  assert.throws(() => parseGoDuration('x'), { message: 'time: invalid duration "x"' });
  assert.throws(() => parseGoDuration('5'), { message: 'time: missing unit in duration "5"' });
  assert.throws(() => parseGoDuration('5y'), { message: 'time: unknown unit "y" in duration "5y"' });
});

test('tables line up; a run of lines without a column does not widen it', () => {
  assert.equal(alignTabs('ID\tNAME\nabcdefghijkl\tx\n'), 'ID             NAME\nabcdefghijkl   x\n');
  assert.equal(alignTabs('a\tb\nplain\nlonger than ten\tb\n'), 'a         b\nplain\nlonger than ten   b\n');
  assert.equal(alignTabs('é…\tb\n'), 'é…        b\n');
});

test('JSON keeps numbers and the order of keys', () => {
  const raw = '{"b":9223372036854775807,"a":[],"10":{"x":"a,b:{"},"2":[1,2]}';
  assert.equal(
    indentJson(raw, '', '  '),
    '{\n  "b": 9223372036854775807,\n  "a": [],\n  "10": {\n    "x": "a,b:{"\n  },\n  "2": [\n    1,\n    2\n  ]\n}',
  );
  const exact = parseExact('{"a":9223372036854775807,"b":1.5,"c":2}') as { a: unknown; b: number };
  assert.equal(JSON.stringify(exact), '{"a":9223372036854775807,"b":1.5,"c":2}');
  assert.equal(
    new Template('{{.a}} {{.b}} {{json .a}}').render(exact),
    '9223372036854775807 1.5 9223372036854775807',
  );
  assert.equal(sortedJson({ b: { d: 1, c: 2 }, a: [3] }), '{"a":[3],"b":{"c":2,"d":1}}');
});

test('lists: table, template, JSON lines', () => {
  const items = [
    { id: 'a', ports: '80->80' },
    { id: 'b', ports: '' },
  ];
  const options = {
    typeName: '*formatter.X',
    fields: {
      Ports: { header: 'PORTS', value: (i: (typeof items)[0]) => i.ports },
      ID: { header: 'THE ID', value: (i: (typeof items)[0]) => i.id },
    },
    methods: { Label: (i: (typeof items)[0], name = '') => i.id + name },
  };
  const render = (format: string): string => renderList(items, { ...options, format });
  assert.equal(render('table {{.ID}}\\t{{.Ports}}'), 'THE ID    PORTS\na         80->80\nb         \n');
  assert.equal(render('table {{upper .ID}}\\t{{.Label "z"}}'), 'THE ID    z\nA         az\nB         bz\n');
  assert.equal(render('{{.ID}}={{.Ports}}'), 'a=80->80\nb=\n');
  assert.equal(render('json'), '{"ID":"a","Ports":"80-\\u003e80"}\n{"ID":"b","Ports":""}\n');
  assert.throws(() => render('{{.Nope}}'), {
    message: `template parsing error: template: :1:2: executing "" at <.Nope>: can't evaluate field Nope in type *formatter.X`,
  });
});

test('shortenings', () => {
  assert.equal(ellipsis('abcdef', 6), 'abcdef');
  assert.equal(ellipsis('abcdefg', 6), 'abcde…');
  assert.equal(truncateId('sha256:0123456789abcdef'), '0123456789ab');
});
