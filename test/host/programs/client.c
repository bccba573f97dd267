/* A client of something (client ADDRESS PORT BUSY): says a line, then burns one core (BUSY 1) or waits (BUSY 0).
   With the address "-" there is no connection. */
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

int main(int argc, char **argv) {
  if (argc < 4) return 2;
  if (strcmp(argv[1], "-") != 0) {
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((unsigned short)atoi(argv[2]))};
    inet_pton(AF_INET, argv[1], &to.sin_addr);
    int out = socket(AF_INET, SOCK_STREAM, 0);
    if (connect(out, (struct sockaddr *)&to, sizeof to) != 0) return perror("connect"), 1;
    char answer[4096];
    if (write(out, "hello\n", 6) < 0 || read(out, answer, sizeof answer) <= 0) return 1;
  }
  volatile unsigned long sum = 0;
  for (;;) {
    if (argv[3][0] == '0') pause();
    sum++;
  }
}
