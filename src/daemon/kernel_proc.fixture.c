/* Writes the record that the step without BPF makes of a process: its pid is the argument. */
#include <stdio.h>
#include <stdlib.h>

#include "../sensor/proc.h"

int main(int count, char **words) {
  static __attribute__((aligned(8))) char record[WIRE_RECORD_MAX];
  size_t size = count > 1 ? proc_exec(atoi(words[1]), record, sizeof record) : 0;
  struct wire_header *header = (void *)record;
  header->size = size;
  header->type = WIRE_EXEC;
  fwrite(record, size, 1, stdout);
  return 0;
}
