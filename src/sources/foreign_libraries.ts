/**
 * Libraries that the environment of an exec loads into its program and that root alone does not vouch for, as ld.so(8)
 * reads LD_PRELOAD and LD_AUDIT. A path outside the system directories tells enough by itself; a file inside one that is
 * gone, or that nobody of us can see, counts as the system's. Costs a stat for each library named.
 */
import { isRootOnly, isSystemPath } from "../core/place.ts";

const LIBRARIES_MAX = 8;
const DIRECTORIES_MAX = 16;

export interface LibraryFile {
  readonly ownerUid: number;
  readonly mode: number;
}

/** @param fileOf the file at an absolute path, as the process would find it. */
export function foreignLibraries(
  environment: readonly string[],
  workingDirectory: string,
  fileOf: (path: string) => LibraryFile | undefined,
): readonly string[] {
  const named = [...words(environment, "LD_PRELOAD", /[ :]/), ...words(environment, "LD_AUDIT", ":")];
  const searched = words(environment, "LD_LIBRARY_PATH", /[:;]/).slice(0, DIRECTORIES_MAX);
  const found = named.slice(0, LIBRARIES_MAX).flatMap((name) => {
    const path = absolute(name, searched, workingDirectory, fileOf);
    return path === undefined || isVouchedFor(path, fileOf) ? [] : [path];
  });
  return [...new Set(found)];
}

/** The name as it stands where nobody knows the directory; undefined where ld.so looks in the system's own. */
function absolute(
  name: string,
  searched: readonly string[],
  workingDirectory: string,
  fileOf: (path: string) => LibraryFile | undefined,
): string | undefined {
  if (name.startsWith("/")) return name;
  const under = (directory: string): string => `${directory.replace(/\/$/, "")}/${name.replace(/^\.\//, "")}`;
  if (name.includes("/")) return workingDirectory === "" ? name : under(workingDirectory);
  const directory = searched.find((each) => each.startsWith("/") && fileOf(under(each)) !== undefined);
  return directory === undefined ? undefined : under(directory);
}

function isVouchedFor(path: string, fileOf: (path: string) => LibraryFile | undefined): boolean {
  if (!isSystemPath(path)) return false;
  const file = fileOf(path);
  return file === undefined || isRootOnly(file);
}

function words(environment: readonly string[], variable: string, parted: RegExp | string): readonly string[] {
  const values = environment.filter((word) => word.startsWith(`${variable}=`));
  return values.flatMap((word) => word.slice(variable.length + 1).split(parted)).filter((word) => word !== "");
}
