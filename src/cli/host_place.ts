/** Whether this command runs in a container, whose daemon and processes are not the host's. One sentence for all. */
import { readlinkSync } from "node:fs";

/** PROC_PID_INIT_INO of the kernel: the first pid namespace always has this number. */
const FIRST_PID_NAMESPACE = "pid:[4026531836]";

/** `pid:[4026532177]`; undefined on the host itself. Throws where /proc does not say. */
export function readContainer(procRoot: string): string | undefined {
  const namespace = readlinkSync(`${procRoot}/self/ns/pid`);
  return namespace === FIRST_PID_NAMESPACE ? undefined : namespace;
}

/** The same for those who have something else to say: undefined too where /proc does not say. */
export function containerNamespace(procRoot: string): string | undefined {
  try {
    return readContainer(procRoot);
  } catch {
    return undefined;
  }
}

/** `pid:[4026532177] is not the first one: this is a container`. */
export function containerDetail(namespace: string): string {
  return `${namespace} is not the first one: this is a container`;
}

export const CONTAINER_REACH = "only processes of this container are seen and guarded; install it on the host";
export const CONTAINER_DAEMON = "a daemon on the host outside this container cannot be seen from here";
