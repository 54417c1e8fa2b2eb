import assert from 'node:assert/strict';
import { test } from 'node:test';
import { STRUCT, Template } from './index.ts';

const data = {
  Name: 'web',
  Count: 3,
  Ratio: 0.5,
  On: true,
  Nothing: null,
  List: ['a', 'b', 'c'],
  Labels: { b: '2', a: '1' },
  State: { Status: 'running', Pid: 7 },
  Nets: { bridge: { IP: '10.0.0.2' } },
};

const cases: Array<[template: string, expected: string]> = [
  ['plain', 'plain'],
  ['{{.Name}}-{{.Count}}', 'web-3'],
  ['{{ .State.Status }}', 'running'],
  ['{{json .}}', JSON.stringify(data)],
  ['{{json .List}} {{.List}} {{.Labels}}', '["a","b","c"] [a b c] map[a:1 b:2]'],
  ['{{.Missing}}', '<no value>'],
  ['{{.Nothing}}', '<nil>'],
  ['{{if .On}}yes{{else}}no{{end}}', 'yes'],
  ['{{if not .On}}yes{{else if eq .Name "web"}}web{{else}}no{{end}}', 'web'],
  ['{{range .List}}[{{.}}]{{end}}', '[a][b][c]'],
  ['{{range $i, $v := .List}}{{if $i}},{{end}}{{$i}}={{$v}}{{end}}', '0=a,1=b,2=c'],
  ['{{range $k, $v := .Labels}}{{$k}}={{$v}};{{end}}', 'a=1;b=2;'],
  ['{{range .None}}x{{else}}empty{{end}}', 'empty'],
  ['{{range .List}}{{if eq . "b"}}{{continue}}{{end}}{{.}}{{end}}', 'ac'],
  ['{{range .List}}{{if eq . "b"}}{{break}}{{end}}{{.}}{{end}}', 'a'],
  ['{{with .State}}{{.Pid}}{{$.Name}}{{end}}', '7web'],
  ['{{with .None}}x{{else}}none{{end}}', 'none'],
  ['{{$x := "a"}}{{if .On}}{{$x = "b"}}{{end}}{{$x}}', 'b'],
  ['{{$x := "a"}}{{if .On}}{{$x := "b"}}{{end}}{{$x}}', 'a'],
  ['{{join .List ","}} {{.Name | upper}} {{title "hello you"}} {{lower "ABC"}}', 'a,b,c WEB Hello You abc'],
  ['{{index .List 1}} {{index .Labels "a"}} {{(index .Nets "bridge").IP}}', 'b 1 10.0.0.2'],
  ['{{len .List}} {{len .Name}} {{len .Labels}}', '3 3 2'],
  ['{{split "a/b" "/"}} {{index (split "a/b" "/") 1}}', '[a b] b'],
  ['{{println .Name .Count}}', 'web 3\n'],
  ['{{print "a" 1 2 "b"}}', 'a1 2b'],
  ['{{printf "%-6s|%5d|%q|%.2f|%v|%x" .Name .Count "q" .Ratio .On 255}}', 'web   |    3|"q"|0.50|true|ff'],
  ['{{and .On .Name}} {{or .None .Name}} {{and .None .Name.Bad}}', 'web web <no value>'],
  ['{{lt 1 2}} {{ge 2 2}} {{ne .Name "x"}} {{eq .Count 1 2 3}}', 'true true true true'],
  ['a {{- " b " -}} c', 'a b c'],
  ['{{/* comment */}}x', 'x'],
  ['{{- /* comment */ -}} x', 'x'],
  ['{{define "t"}}<{{.}}>{{end}}{{template "t" .Name}}', '<web>'],
  ['{{block "b" .Name}}[{{.}}]{{end}}', '[web]'],
  ['{{"quo\\"te\\t"}}{{`raw\\n`}}', 'quo"te\traw\\n'],
  ['{{slice .Name 1 2}}{{truncate .Name 2}}', 'ewe'],
  ['{{pad .Name 1 2}}|', ' web  |'],
  ['{{html "<a>"}} {{urlquery "a b&"}}', '&lt;a&gt; a+b%26'],
  ['{{.State}}', '{running 7}'],
  ['{{true}} {{1.5}} {{1e3}} {{0x10}}', 'true 1.5 1000 16'],
];

test('renders as Go does', () => {
  for (const [source, expected] of cases) assert.equal(new Template(source).render(data), expected, source);
});

test('calls methods of struct values with arguments', () => {
  const value = { [STRUCT]: '*formatter.X', ID: 'abc', Label: (name: string) => `<${name}>` };
  assert.equal(new Template('{{.ID}} {{.Label "x"}}').render(value), 'abc <x>');
});

test('fails with the words of text/template', () => {
  const struct = { [STRUCT]: '*formatter.ContainerContext', ID: 'a' };
  const failing: Array<[source: string, message: string, data?: unknown]> = [
    [
      '{{.Foo}}',
      `template: :1:2: executing "" at <.Foo>: can't evaluate field Foo in type *formatter.ContainerContext`,
      struct,
    ],
    ['{{.Client', 'template: :1: unclosed action'],
    ['{{foo}}', 'template: :1: function "foo" not defined'],
    ['{{if .On}}', 'template: :1: unexpected EOF'],
    ['{{end}}', 'template: :1: unexpected {{end}}'],
    ['{{$x}}', 'template: :1: undefined variable "$x"'],
    ['{{}}', 'template: :1: missing value for command'],
    ['\n{{.Name.X}}', `template: :2:2: executing "" at <.Name.X>: can't evaluate field X in type string`],
    [
      '{{index .List 9}}',
      'template: :1:2: executing "" at <index .List 9>: error calling index: index out of range: 9',
    ],
  ];
  for (const [source, message, value] of failing) {
    assert.throws(() => new Template(source).render(value ?? data), { message }, source);
  }
  assert.throws(() => new Template('{{.No}}').render(data, { missingKey: 'error' }), {
    message: 'template: :1:2: executing "" at <.No>: map has no entry for key "No"',
  });
});
