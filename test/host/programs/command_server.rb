# A web server that runs a command for each request (ruby command_server.rb PORT).
require "socket"
server = TCPServer.new(ARGV[0].to_i)
loop do
  Thread.start(server.accept) do |client|
    client.gets
    body = `date; sleep 2; uptime | cat`
    client.print "HTTP/1.0 200 OK\r\nContent-Length: #{body.bytesize}\r\n\r\n#{body}"
    client.close
  end
end
