/* A stand-in for a miner (miner ADDRESS PORT BUSY): subscribes at a pool, then burns one core (BUSY 1) or waits (BUSY 0). No hashing is done.
   With the address "-" there is no pool. */
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

int main(int argc, char **argv) {
  if (argc < 4) return 2;
  int pool = -1;
  if (strcmp(argv[1], "-") != 0) {
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((unsigned short)atoi(argv[2]))};
    inet_pton(AF_INET, argv[1], &to.sin_addr);
    pool = socket(AF_INET, SOCK_STREAM, 0);
    if (connect(pool, (struct sockaddr *)&to, sizeof to) != 0) return perror("connect"), 1;
    const char *login = "{\"id\":1,\"jsonrpc\":\"2.0\",\"method\":\"login\",\"params\":{\"login\":\"x\",\"pass\":\"x\",\"agent\":\"stand-in\"}}\n";
    char answer[4096];
    if (write(pool, login, strlen(login)) < 0 || read(pool, answer, sizeof answer) <= 0) return 1;
  }
  volatile unsigned long sum = 0;
  for (;;) {
    if (argv[3][0] == '0') pause();
    for (long i = 0; i < 400000000; i++) sum += (unsigned long)i;
    const char *keep = "{\"id\":2,\"jsonrpc\":\"2.0\",\"method\":\"keepalived\"}\n";
    if (pool >= 0 && write(pool, keep, strlen(keep)) < 0) return 1;
  }
}
