// A web server that runs a command for each request (node command_server.js PORT).
const { exec } = require("node:child_process");
require("node:http")
  .createServer((_request, response) => exec("date; sleep 2; uptime | cat", (_error, stdout) => response.end(stdout)))
  .listen(Number(process.argv[2]));
