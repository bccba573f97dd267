/**
 * States that an account of a service works at a terminal with a shell or interpreter: as its own login, or because
 * somebody else (an administrator with sudo or su) became it. Once per process and executable.
 */
import type { EventDraft } from "../../core/nouns.ts";
import type { Process } from "../../core/process.ts";
import { processFields } from "../../core/render.ts";
import type { HostView } from "../../core/view.ts";
import { isInContainer } from "../site/ownership.ts";
import { type Detector, derived } from "./detector.ts";
import { createOncePerProcess } from "./new_processes.ts";

/** login.defs(5): SYS_UID_MAX is 999 everywhere; nobody is 65534. */
const SYSTEM_UID_MAX = 999;
const NOBODY_UID = 65_534;

export function createServiceAccountDetector(): Detector {
  const once = createOncePerProcess();
  return {
    id: "service_account",
    emits: ["service_account"],
    sweep: (view) => once.fresh(view).flatMap((process) => inspect(view, process)),
  };
}

function inspect(view: HostView, process: Process): readonly EventDraft[] {
  if (process.terminalDevice === 0 || !isSystemAccount(process.effectiveUid)) return [];
  const program = view.program(process);
  const script = view.scriptOf(process);
  // A script of the system on a terminal is a greeter or a console program, whatever interprets it.
  if (!program.interpreter || (script.kind === "file" && script.verified)) return [];
  const fields = {
    ...processFields(view, process),
    "account.service": true,
    "account.own_login": isOwnLogin(view, process),
  };
  return [
    derived("service_account", "service-account-at-terminal", process, fields, {
      actors: [process.ref],
      relays: [],
      sockets: [],
    }),
  ];
}

function isSystemAccount(uid: number): boolean {
  return (uid >= 1 && uid <= SYSTEM_UID_MAX) || uid === NOBODY_UID;
}

/**
 * The kernel keeps who logged in through every sudo and su. Nobody did where a service was made to open a terminal of
 * its own: its leader then is the account itself. Uids of a container are not accounts of this host.
 */
function isOwnLogin(view: HostView, process: Process): boolean {
  if (isInContainer(process) || isInOtherPidNamespace(view, process)) return false;
  if (process.loginUid !== -1) return process.loginUid === process.effectiveUid;
  return leadsTerminal(view, process);
}

function leadsTerminal(view: HostView, process: Process): boolean {
  const leader = process.sessionId === process.ref.pid ? process : view.processes.get(process.sessionId);
  return leader !== undefined && leader.effectiveUid === process.effectiveUid;
}

function isInOtherPidNamespace(view: HostView, process: Process): boolean {
  const initial = view.processes.get(1)?.namespaces.pid ?? 0;
  return initial !== 0 && process.namespaces.pid !== 0 && process.namespaces.pid !== initial;
}
