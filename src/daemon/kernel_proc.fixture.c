/*
 * Writes records that the sensor makes in user space. With a pid: of that process, as the step without BPF does. Without:
 * an exec whose environment came as a record of its own, another exec in between, and what was kept for nobody.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../sensor/environment.h"
#include "../sensor/proc.h"

static __attribute__((aligned(8))) char bytes[WIRE_RECORD_MAX];

static void put(const struct wire_header *record) {
  if (record) fwrite(record, record->size, 1, stdout);
}

static void environment(__u32 pid, const char *words, size_t length) {
  struct wire_environment *record = (void *)bytes;
  *record = (struct wire_environment){.header = {.size = sizeof *record + length, .type = WIRE_ENVIRONMENT}, .pid = pid, .start_ns = pid};
  memcpy(record + 1, words, length);
  put(environment_joined(&record->header));
}

static void exec(__u32 pid) {
  struct wire_exec *record = (void *)bytes;
  *record = (struct wire_exec){.header = {.size = sizeof *record + 8, .type = WIRE_EXEC}, .arguments_length = 3, .directory_length = 4};
  record->task.pid = record->task.start_ns = pid;
  memcpy(record + 1, "sh\0tmp", 7);
  put(environment_joined(&record->header));
}

int main(int count, char **words) {
  if (count > 1) {
    struct wire_header *header = (void *)bytes;
    size_t size = proc_exec(atoi(words[1]), bytes, sizeof bytes);
    header->size = size;
    header->type = WIRE_EXEC;
    if (size) put(header);
    return 0;
  }
  static const char loads[] = "LD_PRELIMINARY=no\0LD_PRELOAD=/tmp/a.so\0ENV=/x";
  for (__u32 pid = 100; pid < 300; pid++) environment(pid, "PERL5LIB=/kept/for/nobody", 26);
  environment(7, loads, sizeof loads);
  exec(8);
  exec(7);
  exec(7);
  return 0;
}
