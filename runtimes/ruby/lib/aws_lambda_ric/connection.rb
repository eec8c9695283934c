# frozen_string_literal: true

require 'socket'

module AwsLambdaRIC
  # HTTP/1.1 on one socket: requests go out as bytes, responses come back in their order.
  class Connection
    # A response; headers by lower-case name.
    class Response
      attr_reader :status, :body

      def initialize(status, headers, body)
        @status = status
        @headers = headers
        @body = body
      end

      # The header of this name, in any case, as Net::HTTP gives it.
      def [](name)
        @headers[name.downcase]
      end
    end

    # The platform has closed the connection.
    class Closed < StandardError
    end

    READ_BYTES = 65_536

    def initialize(address)
      host, _, port = address.rpartition(':')
      @host = host.delete('[]')
      @port = Integer(port)
      @socket = nil
      @received = String.new(encoding: Encoding::BINARY)
    end

    def open?
      !@socket.nil?
    end

    def send(data)
      connect unless @socket
      @socket.write(data)
    end

    def close
      @socket&.close
      @socket = nil
    end

    # Blocks until the next response is complete.
    def receive
      head = nil
      status = 0
      while status < 200
        head = read_until("\r\n\r\n").split("\r\n")
        status = Integer(head[0].split(' ', 3)[1])
      end
      headers = parse_headers(head)
      chunked = headers.fetch('transfer-encoding', '').casecmp?('chunked')
      body = chunked ? read_chunks : read_exactly(Integer(headers.fetch('content-length', '0')))
      close if headers.fetch('connection', '').casecmp?('close')
      # What Net::HTTP says of any body.
      Response.new(status, headers, body.force_encoding(Encoding::UTF_8))
    end

    private

    def connect
      @socket = TCPSocket.new(@host, @port)
      @socket.setsockopt(Socket::IPPROTO_TCP, Socket::TCP_NODELAY, 1)
      @socket.sync = true
      @received.clear
    end

    def parse_headers(head)
      head.drop(1).to_h do |line|
        name, _, value = line.partition(':')
        [name.downcase, value.strip.force_encoding(Encoding::UTF_8)]
      end
    end

    def more
      raise Closed, 'the Runtime API closed the connection' unless @socket

      @received << @socket.readpartial(READ_BYTES)
    rescue EOFError
      raise Closed, 'the Runtime API closed the connection'
    end

    def read_until(ending)
      more until (at = @received.index(ending))
      found = @received.slice!(0, at + ending.bytesize)
      found.slice(0, at)
    end

    def read_exactly(length)
      more while @received.bytesize < length
      @received.slice!(0, length)
    end

    def read_chunks
      body = String.new(encoding: Encoding::BINARY)
      loop do
        size = Integer(read_until("\r\n").split(';').first, 16)
        break if size.zero?

        body << read_exactly(size)
        read_exactly(2)
      end
      nil until read_until("\r\n").empty?
      body
    end
  end
end
