/** Platforms (OCI image-spec image-index.md "platform"; the normal forms and fallbacks of containerd's platforms). */
import { arch as hostArch } from 'node:os';
import { invalidParameter } from '../errdefs/index.ts';

export interface Platform {
  readonly os: string;
  readonly architecture: string;
  readonly variant?: string;
  readonly 'os.version'?: string;
  readonly 'os.features'?: readonly string[];
}

const NODE_ARCH: Readonly<Record<string, Platform>> = {
  x64: { os: 'linux', architecture: 'amd64' },
  arm64: { os: 'linux', architecture: 'arm64', variant: 'v8' },
  arm: { os: 'linux', architecture: 'arm', variant: 'v7' },
  ia32: { os: 'linux', architecture: '386' },
};

/** The platform of this machine. */
export function hostPlatform(): Platform {
  const arch = hostArch();
  return NODE_ARCH[arch] ?? { os: 'linux', architecture: arch };
}

const ARCH_ALIASES: Readonly<Record<string, readonly [string, string?]>> = {
  x86_64: ['amd64'],
  'x86-64': ['amd64'],
  i386: ['386'],
  i486: ['386'],
  i686: ['386'],
  aarch64: ['arm64'],
  armhf: ['arm', 'v7'],
  armel: ['arm', 'v6'],
};

/** The one normal form: `aarch64` is `arm64/v8`, `arm` is `arm/v7`, `amd64/v1` is `amd64`. */
export function normalizePlatform(p: Platform): Platform {
  const [architecture, implied] = ARCH_ALIASES[p.architecture.toLowerCase()] ?? [
    p.architecture.toLowerCase(),
  ];
  let variant = (p.variant ?? implied ?? '').toLowerCase();
  if (/^[0-9]+$/.test(variant)) variant = `v${variant}`;
  if (architecture === 'arm64' && variant === '') variant = 'v8';
  if (architecture === 'arm' && variant === '') variant = 'v7';
  if (architecture === 'amd64' && variant === 'v1') variant = '';
  const os = p.os.toLowerCase() === 'macos' ? 'darwin' : p.os.toLowerCase();
  const { variant: _dropped, ...rest } = p;
  return { ...rest, os, architecture, ...(variant === '' ? {} : { variant }) };
}

const PART = /^[A-Za-z0-9_.-]+$/;
const OSES = ['linux', 'windows', 'darwin', 'freebsd', 'netbsd', 'openbsd', 'solaris', 'wasi', 'js', 'macos'];

/**
 * Parses `os`, `arch`, `os/arch` or `os/arch/variant` as `--platform` takes it. Throws InvalidParameter
 * in containerd's words.
 */
export function parsePlatform(text: string): Platform {
  const parts = text.split('/');
  const bad = parts.find((part) => !PART.test(part));
  if (bad !== undefined || parts.length > 3) {
    throw invalidParameter(
      `"${bad ?? text}" is an invalid component of "${text}": platform specifier component must match "^[A-Za-z0-9_.-]+$": invalid argument`,
    );
  }
  const [first = '', architecture, variant] = parts;
  const host = hostPlatform();
  if (architecture === undefined) {
    if (OSES.includes(first.toLowerCase())) return normalizePlatform({ ...host, os: first });
    const known = normalizePlatform({ os: 'linux', architecture: first });
    if (!KNOWN_ARCH.includes(known.architecture)) {
      throw invalidParameter(`"${first}": unknown operating system or architecture: invalid argument`);
    }
    return known;
  }
  return normalizePlatform({ os: first, architecture, ...(variant === undefined ? {} : { variant }) });
}

const KNOWN_ARCH = [
  '386',
  'amd64',
  'arm',
  'arm64',
  'loong64',
  'mips',
  'mipsle',
  'mips64',
  'mips64le',
  'ppc64',
  'ppc64le',
  'riscv64',
  's390x',
  'wasm',
];

/** `linux/arm64/v8`, as Docker prints it. */
export function formatPlatform(p: Platform): string {
  return [p.os || 'unknown', p.architecture, p.variant]
    .filter((part) => part !== undefined && part !== '')
    .join('/');
}

/** The platforms that run on `wanted`, best first: `arm/v7` also runs `arm/v6` and `arm/v5`. */
function runnable(wanted: Platform): Platform[] {
  const p = normalizePlatform(wanted);
  const level = Number(/^v([0-9]+)$/.exec(p.variant ?? '')?.[1] ?? Number.NaN);
  const down = (from: number, to: number, architecture: string): Platform[] =>
    Array.from({ length: Math.max(0, from - to + 1) }, (_, i) =>
      normalizePlatform({ os: p.os, architecture, variant: `v${from - i}` }),
    );
  if (p.architecture === 'arm' && level >= 5) return down(level, 5, 'arm');
  if (p.architecture === 'amd64' && level >= 2) return down(level, 1, 'amd64');
  if (p.architecture === 'arm64' && level >= 8) return [p, ...(level > 8 ? down(8, 8, 'arm64') : [])];
  return [p];
}

/**
 * How well an image of platform `candidate` serves one who wants `wanted`: 0 is exact, larger is worse,
 * undefined is not at all.
 */
export function matchPlatform(wanted: Platform, candidate: Platform): number | undefined {
  const c = normalizePlatform(candidate);
  const at = runnable(wanted).findIndex(
    (p) => p.os === c.os && p.architecture === c.architecture && (p.variant ?? '') === (c.variant ?? ''),
  );
  return at < 0 ? undefined : at;
}

/** The best of `candidates` for `wanted`, the first among equals; undefined when none serves. */
export function selectPlatform<T extends { readonly platform?: Platform }>(
  wanted: Platform,
  candidates: readonly T[],
): T | undefined {
  let best: { item: T; rank: number } | undefined;
  for (const item of candidates) {
    if (item.platform === undefined) continue;
    const rank = matchPlatform(wanted, item.platform);
    if (rank !== undefined && (best === undefined || rank < best.rank)) best = { item, rank };
  }
  return best?.item;
}
