"""A web server that hands the accepted connection itself to a shell script, as CGI does (python3 cgi_server.py PORT SCRIPT)."""
import socketserver
import subprocess
import sys


class Handler(socketserver.BaseRequestHandler):
    def handle(self):
        subprocess.run(["/bin/sh", sys.argv[2]], stdin=self.request, stdout=self.request)


socketserver.ThreadingTCPServer.allow_reuse_address = True
socketserver.ThreadingTCPServer(("", int(sys.argv[1])), Handler).serve_forever()
