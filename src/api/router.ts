/**
 * Routes are tables of data: one array per resource, each row an operation of the Engine API with its
 * method, path and handler. A `{name}` in a path matches across slashes, since image names have them.
 */
import type { ApiRequest } from './request.ts';

export type Handler = (request: ApiRequest) => void | Promise<void>;

export interface Route {
  /** Operation id of Docker's API description; keys the tables of filters, shapes and coverage. */
  readonly operation: string;
  readonly method: 'GET' | 'HEAD' | 'POST' | 'PUT' | 'DELETE';
  readonly path: string;
  readonly handler: Handler;
  /** The connection may become a raw stream; such a request may come with `Upgrade`. */
  readonly hijack?: true;
}

export interface RouteMatch {
  readonly route: Route;
  readonly params: Readonly<Record<string, string>>;
}

export interface Router {
  /** Finds the route of a decoded path without version prefix. */
  find(method: string, path: string): RouteMatch | undefined;
  readonly routes: readonly Route[];
}

interface Pattern {
  readonly route: Route;
  readonly regexp: RegExp;
}

const NO_PARAMS = Object.freeze({});

/** Builds the lookup: plain paths by map, the others by method and first segment, in table order. */
export function createRouter(routes: readonly Route[]): Router {
  const exact = new Map<string, Route>();
  const patterns = new Map<string, Pattern[]>();
  for (const route of routes) {
    if (!route.path.includes('{')) {
      exact.set(`${route.method} ${route.path}`, route);
      continue;
    }
    const key = groupKey(route.method, route.path);
    const source = route.path.replace(/[.]/g, '\\.').replace(/\{(\w+)\}/g, '(?<$1>.+)');
    const group = patterns.get(key) ?? [];
    group.push({ route, regexp: new RegExp(`^${source}$`, 's') });
    patterns.set(key, group);
  }
  return {
    routes,
    find(method, path) {
      const plain = exact.get(`${method} ${path}`);
      if (plain) return { route: plain, params: NO_PARAMS };
      for (const { route, regexp } of patterns.get(groupKey(method, path)) ?? []) {
        const match = regexp.exec(path);
        if (match) return { route, params: match.groups as Record<string, string> };
      }
      return undefined;
    },
  };
}

function groupKey(method: string, path: string): string {
  const end = path.indexOf('/', 1);
  return `${method} ${end < 0 ? path : path.slice(0, end)}`;
}
