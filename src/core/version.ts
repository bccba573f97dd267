// What this executable is. src/tools/build.ts writes both values in at build time; from source they are unknown.
declare const ALGO_BUILD_VERSION: string | undefined;
declare const ALGO_BUILD_COMMIT: string | undefined;

/** Semantic version of package.json; `0.0.0-source` where the code runs from a checkout. */
export const VERSION: string = typeof ALGO_BUILD_VERSION === "string" ? ALGO_BUILD_VERSION : "0.0.0-source";
/** Twelve characters of the git commit, `-dirty` behind it where files were changed, `unknown` without git. */
export const COMMIT: string = typeof ALGO_BUILD_COMMIT === "string" ? ALGO_BUILD_COMMIT : "unknown";
