/** The public types of the room. */

/** Credentials as clients send them in `X-Registry-Auth`. */
export interface RegistryAuth {
  username?: string;
  password?: string;
  /** base64 of `user:password`, in place of the two. */
  auth?: string;
  email?: string;
  serveraddress?: string;
  /** An OAuth2 refresh token. */
  identitytoken?: string;
  /** A bearer token to be sent as it is. */
  registrytoken?: string;
}

/** How registries are reached: the keys of `daemon.json`. Loopback addresses are always insecure registries. */
export interface RegistryConfig {
  /** Hosts (`host`, `host:port`) and networks (CIDR) that may be http, or https with any certificate. */
  insecureRegistries?: readonly string[];
  /** Base URLs asked before docker.io. */
  mirrors?: readonly string[];
  /** Directories like `/etc/docker/certs.d`: `<host:port>/{*.crt,*.cert,*.key}`. */
  certsDirs?: readonly string[];
  /** Proxies; empty or absent means a direct connection. */
  httpProxy?: string;
  httpsProxy?: string;
  noProxy?: string;
  /** Sent as User-Agent. */
  userAgent?: string;
}
