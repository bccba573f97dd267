/** What the place of a file says about it. Paths prove little alone; the callers join them with owner and inode. */

/** Owned by root and writable by nobody else. */
export function isRootOnly(file: { readonly ownerUid: number; readonly mode: number }): boolean {
  return file.ownerUid === 0 && (file.mode & 0o022) === 0;
}

/** Where packages and administrators install programs. */
export function isSystemPath(path: string): boolean {
  return /^\/(s?bin|lib\w*|usr|opt|snap)\//.test(path) && !path.includes("/../");
}

/** Where anybody may write and execute. */
export function isTemporaryPath(path: string): boolean {
  return /^\/(tmp|var\/tmp|dev\/shm|run\/shm|dev\/mqueue)\//.test(path);
}

/** A component of the path starts with a dot. */
export function isHiddenPath(path: string): boolean {
  return /\/\.[^/.]/.test(path);
}

export function baseName(path: string): string {
  return path.slice(path.lastIndexOf("/") + 1);
}

export function isLoopback(address: string): boolean {
  return address.startsWith("127.") || address === "::1";
}
