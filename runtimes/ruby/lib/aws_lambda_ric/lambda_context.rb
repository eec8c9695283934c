# frozen_string_literal: true

# What a handler learns about its invocation, its function and its environment (AWS Lambda Developer Guide, "Using the
# Lambda context object to retrieve Ruby function information").
class LambdaContext
  # The fields of W3C Trace Context and Baggage that #w3c hands on; anything else is dropped.
  W3C_FIELDS = %w[traceparent tracestate baggage].freeze

  attr_reader :aws_request_id, :invoked_function_arn, :log_group_name, :log_stream_name, :function_name,
              :memory_limit_in_mb, :function_version, :identity, :client_context, :deadline_ms, :tenant_id

  def initialize(request)
    @clock_diff = now(Process::CLOCK_REALTIME) - now(Process::CLOCK_MONOTONIC)
    @deadline_ms = request['Lambda-Runtime-Deadline-Ms'].to_i
    @aws_request_id = request['Lambda-Runtime-Aws-Request-Id']
    @invoked_function_arn = request['Lambda-Runtime-Invoked-Function-Arn']
    @log_group_name = ENV['AWS_LAMBDA_LOG_GROUP_NAME']
    @log_stream_name = ENV['AWS_LAMBDA_LOG_STREAM_NAME']
    @function_name = ENV['AWS_LAMBDA_FUNCTION_NAME']
    @memory_limit_in_mb = ENV['AWS_LAMBDA_FUNCTION_MEMORY_SIZE']
    @function_version = ENV['AWS_LAMBDA_FUNCTION_VERSION']
    @identity = parse(request['Lambda-Runtime-Cognito-Identity'])
    @client_context = parse(request['Lambda-Runtime-Client-Context'])
    @tenant_id = request['Lambda-Runtime-Aws-Tenant-Id']
    @w3c = take_w3c
  end

  # Milliseconds until the invocation times out, never below 0. The clock of the wall may be set meanwhile.
  def get_remaining_time_in_millis
    [@deadline_ms - now(Process::CLOCK_MONOTONIC) - @clock_diff, 0].max
  end

  # The W3C trace context of the invocation: `traceparent`, `tracestate` and `baggage` where present.
  def w3c
    @w3c.dup
  end

  private

  def now(clock)
    Process.clock_gettime(clock, :millisecond)
  end

  def parse(header)
    JSON.parse(header) unless header.to_s.empty?
  end

  def take_w3c
    fields = @client_context.delete('w3c') if @client_context.is_a?(Hash)
    return {} unless fields.is_a?(Hash)

    fields.select { |name, value| W3C_FIELDS.include?(name) && value.is_a?(String) }
  end
end
