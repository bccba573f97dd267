/* Credentials that differ from what the process had: told, never acted upon. */
#ifndef ALGO_CHANGES_H
#define ALGO_CHANGES_H

/* scratch.task says who it is now. */
static __always_inline void changed(struct scratch *s, __u32 before_uid, __u64 before_capabilities, __u32 what) {
  struct wire_change record = {.before_uid = before_uid, .before_capabilities = before_capabilities, .what = what};
  record.task = s->task;
  head(&record.header, sizeof record, WIRE_CHANGE, LANE_OTHER);
  emit(LANE_OTHER, &record, sizeof record);
}

#endif
