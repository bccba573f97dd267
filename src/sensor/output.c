#define _GNU_SOURCE
#include "output.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "loader.h"

#define BUFFER_MAX (1 << 20)
/* So much is kept for verdicts and questions, whatever the facts take. */
#define URGENT_ROOM (1 << 18)

static unsigned char buffer[BUFFER_MAX];
static size_t filled, written;
static int out;

void output_open(int descriptor) {
  out = descriptor;
  fcntl(out, F_SETPIPE_SZ, 1 << 20);
  fcntl(out, F_SETFL, fcntl(out, F_GETFL) | O_NONBLOCK);
}

static bool put(const void *record, size_t size, size_t keep) {
  if (filled + size + keep > BUFFER_MAX) {
    output_flush();
    if (written > 0) {
      memmove(buffer, buffer + written, filled - written);
      filled -= written;
      written = 0;
    }
    if (filled + size + keep > BUFFER_MAX) return false;
  }
  memcpy(buffer + filled, record, size);
  filled += size;
  return true;
}

int output_urgent(const void *record, size_t size) {
  if (!put(record, size, 0)) return -ENOSPC;
  output_flush();
  return 0;
}

int output_fact(const void *record, size_t size) { return put(record, size, URGENT_ROOM) ? 0 : -ENOSPC; }

void output_own(struct wire_header *header, size_t size, int type) {
  header->size = size;
  header->type = type;
  header->lane = LANE_SENSOR;
  header->at_ns = boot_ns();
  put(header, size, 0);
}

bool output_has_room(void) { return filled - written + URGENT_ROOM + WIRE_RECORD_MAX < BUFFER_MAX; }

bool output_flush(void) {
  while (written < filled) {
    ssize_t done = write(out, buffer + written, filled - written);
    if (done < 0) return errno == EAGAIN || errno == EINTR;
    written += done;
  }
  filled = written = 0;
  return true;
}
