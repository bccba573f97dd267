/* Writes one record of each kind to standard output, by the structures of sensor/wire.h: kernel_words.test.ts reads them. */
#include <stdio.h>
#include <string.h>

#include "../sensor/wire.h"

#define ARGUMENTS "sh\0-i"
#define PUT(record, kind, extra)                                                \
  do {                                                                          \
    (record).header.size = sizeof(record) + (extra);                            \
    (record).header.type = (kind);                                              \
    (record).header.at_ns = 60000000000ULL;                                     \
    fwrite(&(record), sizeof(record), 1, stdout);                               \
  } while (0)

static void text(const char *bytes, size_t length) { fwrite(bytes, length, 1, stdout); }

int main(void) {
  struct wire_task task = {.pid = 500, .parent_pid = 400, .start_ns = 15009000000ULL, .parent_start_ns = 14000000000ULL,
    .uid = 0, .gid = 7, .real_uid = 1000, .login_uid = 4294967295u, .session = 399, .tty = 34816, .mount_namespace = 11,
    .net_namespace = 12, .user_namespace = 13, .pid_namespace = 14, .exe_device = 8 << 20 | 1, .exe_inode = 77,
    .cgroup = 9001, .capabilities = 3, .program = PROGRAM_KNOWN, .state = TASK_MEMFD | TASK_SETUID};
  struct wire_conn conn = {.cookie = 4001, .inode = 9002, .net_namespace = 12, .family = 4, .protocol = 6, .direction = 1,
    .local_port = 40000, .remote_port = 4444, .local_address = {10, 0, 0, 5}, .remote_address = {203, 0, 113, 7},
    .bytes_received = 5, .bytes_sent = 6, .opened_ns = 50000000000ULL};

  struct wire_exec exec = {.task = task, .flags = EXEC_ARGUMENTS_CUT | EXEC_INCOMPLETE, .arguments_length = 6, .path_length = 7,
    .directory_length = 9, .environment_length = 13};
  PUT(exec, WIRE_EXEC, 6 + 7 + 9 + 13);
  text(ARGUMENTS, 6), text("/bin/sh", 7), text("work\0srv", 9), text("LD_PRELOAD=x", 13);

  struct wire_fork fork = {.pid = 501, .parent_pid = 500, .start_ns = 16000000000ULL, .parent_start_ns = 15009000000ULL};
  PUT(fork, WIRE_FORK, 0);
  struct wire_exit exit = {.pid = 501, .start_ns = 16000000000ULL};
  PUT(exit, WIRE_EXIT, 0);
  struct wire_socket opened = {.task = task, .conn = conn};
  PUT(opened, WIRE_CONNECT, 0);
  struct wire_dns dns = {.pid = 500, .start_ns = 15009000000ULL, .message_length = 25};
  PUT(dns, WIRE_DNS, 25);
  text("\0\1\1\0\0\1\0\0\0\0\0\0\1a\1b\3org\0\0\x1c\0\1", 25);
  struct wire_refused refused = {.family = 4, .ports = 30, .source = {198, 51, 100, 9}};
  PUT(refused, WIRE_REFUSED, 0);
  struct wire_signal signal = {.task = task, .target_pid = 700, .signal = 9, .name = "kill"};
  PUT(signal, WIRE_SIGNAL, 0);
  struct wire_file file = {.pid = 500, .start_ns = 15009000000ULL, .mask = 2, .watch = WATCH_DECOY, .path_length = 6};
  PUT(file, WIRE_FILE, 6);
  text("/a/b/c", 6);
  struct wire_module module = {.task = task, .name = "evil"};
  PUT(module, WIRE_MODULE, 0);
  struct wire_uring uring = {.task = task};
  PUT(uring, WIRE_URING, 0);
  struct wire_change change = {.task = task, .before_uid = 1000, .what = CHANGE_UID | CHANGE_CAPABILITIES | CHANGE_NET_NS, .before_capabilities = 1};
  PUT(change, WIRE_CHANGE, 0);
  struct wire_verdict verdict = {.task = task, .conn = conn, .holder_pid = 450, .holder_start_ns = 14500000000ULL,
    .generation = 7, .rule = RULE_BIND_SHELL, .shape = SHAPE_LOOP, .stage = STAGE_RECEIVE, .action = ACTION_KILLED, .arguments_length = 6};
  PUT(verdict, WIRE_VERDICT, 6);
  text(ARGUMENTS, 6);
  struct wire_ask ask = {.task = task, .id = 0xffff888012345678ULL, .shape = SHAPE_CHILD, .stage = STAGE_EXEC, .held = 1};
  PUT(ask, WIRE_ASK, 0);
  struct wire_expired expired = {.id = 1, .waited_us = 500000};
  PUT(expired, WIRE_EXPIRED, 0);
  struct wire_loss loss = {.from_ns = 59000000000ULL, .to_ns = 60000000000ULL, .lost = {1, 2, 3, 4}, .recursion_misses = 5};
  PUT(loss, WIRE_LOSS, 0);
  return 0;
}
