/* Many quiet processes and connections (crowd PROCESSES [CONNECTIONS ADDRESS PORT]): children that only wait, sockets that only exist. */
#include <arpa/inet.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

int main(int argc, char **argv) {
  int processes = argc > 1 ? atoi(argv[1]) : 0;
  int connections = argc > 4 ? atoi(argv[2]) : 0;
  struct sockaddr_in to = {.sin_family = AF_INET};
  if (connections > 0) {
    to.sin_port = htons((unsigned short)atoi(argv[4]));
    inet_pton(AF_INET, argv[3], &to.sin_addr);
  }
  pid_t parent = getpid();
  for (int i = 0; i < processes; i++) {
    pid_t child = fork();
    if (child < 0) return perror("fork"), 1;
    if (child > 0) continue;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent) return 1;
    for (int c = i; c < connections; c += processes) {
      int s = socket(AF_INET, SOCK_STREAM, 0);
      if (connect(s, (struct sockaddr *)&to, sizeof to) != 0) return perror("connect"), 1;
    }
    for (;;) pause();
  }
  puts("standing");
  fflush(stdout);
  for (;;) pause();
}
