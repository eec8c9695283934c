# frozen_string_literal: true

# The Runtime API (AWS Lambda Developer Guide, "Using the Lambda runtime API for custom runtimes").
#
# A response and the request for the next event leave in one write (HTTP/1.1 pipelining, RFC 9112 section 9.3.2), which
# saves a round trip and a wake-up for each invocation. The acknowledgement is read when the next event is waited for.
class RapidClient
  LAMBDA_DEFAULT_SERVER_ADDRESS = '127.0.0.1:9001'
  LAMBDA_RUNTIME_API_VERSION = '2018-06-01'
  # AWS's client leaves out a larger cause.
  MAX_HEADER_SIZE_BYTES = 1024 * 1024

  def initialize(server_address, user_agent)
    address = server_address || LAMBDA_DEFAULT_SERVER_ADDRESS
    @connection = AwsLambdaRIC::Connection.new(address)
    @common = "Host: #{address}\r\nUser-Agent: #{user_agent}\r\n"
    @path = "/#{LAMBDA_RUNTIME_API_VERSION}/runtime"
    @next = "GET #{@path}/invocation/next HTTP/1.1\r\n#{@common}\r\n".b
    # What has been sent and not acknowledged, with the request for the next event right behind it.
    @unacknowledged = nil
  end

  # Blocks until there is an event: its id, and the response that carries it.
  def next_invocation
    @unacknowledged ? acknowledge : @connection.send(@next)
    response = @connection.receive
    unless response.status == 200
      raise LambdaErrors::InvocationError, "Received #{response.status} when waiting for next invocation."
    end

    @invocation_id = response['Lambda-Runtime-Invocation-Id']
    [response['Lambda-Runtime-Aws-Request-Id'], response]
  rescue SignalException => e
    puts "Next invocation HTTP request from the runtime interface client was interrupted with a #{e} SIGNAL, gracefully shutting down."
    exit 0
  rescue LambdaErrors::InvocationError
    raise
  rescue StandardError => e
    raise LambdaErrors::InvocationError, e
  end

  # Hands over the handler's result: text, or something to read for `application/unknown`.
  def send_response(request_id:, response_object:, content_type: 'application/json')
    body = content_type == 'application/unknown' ? response_object.read : response_object
    post_outcome('response', request_id, body, { 'Content-Type' => content_type }, true)
  rescue StandardError => e
    raise LambdaErrors::LambdaRuntimeError, e
  end

  # Hands over the handler's failure.
  def send_error_response(request_id:, error_object:, error:, xray_cause:, ask_for_next: true)
    headers = { 'Content-Type' => 'application/json', 'Lambda-Runtime-Function-Error-Type' => error.runtime_error_type }
    headers['Lambda-Runtime-Function-XRay-Error-Cause'] = xray_cause if xray_cause.bytesize < MAX_HEADER_SIZE_BYTES
    post_outcome('error', request_id, error_object.to_json, headers, ask_for_next)
  rescue StandardError => e
    raise LambdaErrors::LambdaRuntimeError, e
  end

  # Reports that the function could not be loaded; the process must end afterwards.
  def send_init_error(error_object:, error:)
    # An event that was asked for is still to come on the connection, and is not for a function that cannot run.
    @connection.close
    headers = { 'Content-Type' => 'application/json', 'Lambda-Runtime-Function-Error-Type' => error.runtime_error_type }
    @connection.send(request("#{@path}/init/error", error_object.to_json, headers))
    @connection.receive
  rescue StandardError => e
    raise LambdaErrors::LambdaRuntimeInitError, e
  end

  private

  def request(path, body, headers)
    body = body.to_s
    lines = headers.map { |name, value| "#{name}: #{value.to_s.b.gsub(/[\x00-\x1f\x7f]/n, ' ')}\r\n" }.join
    "POST #{path} HTTP/1.1\r\n#{@common}Content-Length: #{body.bytesize}\r\n#{lines}\r\n".b << body.b
  end

  def post_outcome(outcome, request_id, body, headers, ask_for_next)
    headers['Lambda-Runtime-Invocation-Id'] = @invocation_id if @invocation_id
    data = request("#{@path}/invocation/#{request_id}/#{outcome}", body, headers)
    @unacknowledged = outcome
    begin
      @connection.send(ask_for_next ? data << @next : data)
    rescue Errno::EPIPE, Errno::ECONNRESET
      # A server may refuse a large body before it has read all of it. Its answer is still to be read; the next event
      # is asked for on a new connection.
      settle(outcome, @connection.receive)
      @connection.close
      @unacknowledged = nil
      return
    end
    return if ask_for_next

    settle(outcome, @connection.receive)
    @unacknowledged = nil
  end

  # Reads what the platform says to the last outcome, and sees that the next event has been asked for.
  def acknowledge
    outcome = @unacknowledged
    @unacknowledged = nil
    settle(outcome, @connection.receive)
    @connection.send(@next) unless @connection.open?
  end

  # A refusal (a result above 6 MB, an invocation that had timed out) is known to the caller already; the environment
  # is good for the next event. The line is the one that AWS's clients write.
  def settle(outcome, response)
    return if response.status == 202
    raise LambdaErrors::InvocationError, "Received #{response.status} for #{outcome}." if response.status >= 500

    kind = outcome == 'response' ? 'success' : 'error'
    $stderr.write("[ERROR] [#{Process.clock_gettime(Process::CLOCK_REALTIME, :millisecond)}] LAMBDA_RUNTIME Failed to post " \
                  "handler #{kind} response. Http response code: #{response.status}.\n")
  end
end
