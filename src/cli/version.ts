/** Who we are, for `version` and the User-Agent. */

/** Kept in step with package.json (a test compares them): reading that file costs start-up time. */
export const CLIENT_VERSION = '0.1.0';

/** The commit this was built from; set by packaging. */
export const GIT_COMMIT = process.env.WHARF_GIT_COMMIT || 'dev';
