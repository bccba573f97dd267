/* Short processes at a steady rate (storm PER_SECOND SECONDS): each one is forked, executes /bin/true and is waited for. */
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

int main(int argc, char **argv) {
  double rate = argc > 1 ? atof(argv[1]) : 1000, seconds = argc > 2 ? atof(argv[2]) : 60;
  char *arguments[] = {"true", NULL}, *environment[] = {NULL};
  double start = now();
  long started = 0, waited = 0;
  while (now() - start < seconds) {
    while ((double)started < (now() - start) * rate && started - waited < 64) {
      pid_t child;
      if (posix_spawn(&child, "/bin/true", NULL, NULL, arguments, environment) == 0) started++;
    }
    while (started > waited && waitpid(-1, NULL, WNOHANG) > 0) waited++;
    usleep(500);
  }
  while (waited < started && waitpid(-1, NULL, 0) > 0) waited++;
  printf("%ld processes in %.0f seconds\n", started, seconds);
  return 0;
}
