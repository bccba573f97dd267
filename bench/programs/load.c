// Loads for sensor.bench.ts, each prints nanoseconds for one step: exec N, syscall N, connect N PORT.
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

extern char **environ;

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec * 1e9 + t.tv_nsec;
}

static void one_exec(void) {
  char *words[] = {"true", NULL};
  pid_t child;
  if (posix_spawn(&child, "/bin/true", NULL, NULL, words, environ) == 0) waitpid(child, NULL, 0);
}

static void one_connection(int port) {
  struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  struct linger now = {1, 0};
  int s = socket(AF_INET, SOCK_STREAM, 0);
  setsockopt(s, SOL_SOCKET, SO_LINGER, &now, sizeof now);
  connect(s, (struct sockaddr *)&to, sizeof to);
  close(s);
}

static int listener(int port) {
  struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  int s = socket(AF_INET, SOCK_STREAM, 0), yes = 1;
  setsockopt(s, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
  bind(s, (struct sockaddr *)&at, sizeof at);
  listen(s, 4096);
  return s;
}

int main(int count, char **words) {
  long steps = count > 2 ? atol(words[2]) : 0;
  if (steps <= 0) return 64;
  double start = now();
  if (strcmp(words[1], "exec") == 0) for (long i = 0; i < steps; i++) one_exec();
  if (strcmp(words[1], "syscall") == 0) for (long i = 0; i < steps; i++) syscall(SYS_getppid);
  if (strcmp(words[1], "connect") == 0) {
    int port = count > 3 ? atoi(words[3]) : 7979, at = listener(port);
    start = now();
    for (long i = 0; i < steps; i++) {
      one_connection(port);
      int got = accept4(at, NULL, NULL, SOCK_NONBLOCK);
      if (got >= 0) close(got);
    }
  }
  printf("%.0f\n", (now() - start) / steps);
  return 0;
}
