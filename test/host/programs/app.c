/* A program of a user, compiled and run at home: connects out, runs a command now and then. */
#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

int main(int argc, char **argv) {
  struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(8080)};
  inet_pton(AF_INET, argc > 1 ? argv[1] : "127.0.0.1", &to.sin_addr);
  int connection = socket(AF_INET, SOCK_STREAM, 0);
  if (connect(connection, (struct sockaddr *)&to, sizeof to) != 0) return 1;
  const char *request = "GET / HTTP/1.1\r\nHost: remote\r\n\r\n";
  char answer[4096];
  for (;;) {
    if (write(connection, request, strlen(request)) < 0) return 1;
    if (read(connection, answer, sizeof answer) < 0) return 1;
    if (system("sleep 2; date | cat") != 0) return 1;
  }
}
