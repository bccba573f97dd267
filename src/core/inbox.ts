/** Where sources that speak when they like (a worker, a follower of the journal) leave events for the next sweep. */
import type { EventDraft } from "./nouns.ts";

const EVENTS_MAX = 20_000;

export interface Inbox {
  /** False when it is full: the event is lost and counted. */
  put(draft: EventDraft): boolean;
  /** The oldest, at most so many. */
  take(max: number): readonly EventDraft[];
  readonly size: number;
  /** Since start. */
  readonly lost: number;
}

export function createInbox(eventsMax = EVENTS_MAX): Inbox {
  let waiting: EventDraft[] = [];
  let lost = 0;
  return {
    put,
    take,
    get size() {
      return waiting.length;
    },
    get lost() {
      return lost;
    },
  };

  function put(draft: EventDraft): boolean {
    if (waiting.length >= eventsMax) {
      lost++;
      return false;
    }
    waiting.push(draft);
    return true;
  }

  function take(max: number): readonly EventDraft[] {
    const taken = waiting.slice(0, max);
    waiting = waiting.slice(max);
    return taken;
  }
}
