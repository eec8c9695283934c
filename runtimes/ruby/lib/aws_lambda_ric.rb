# frozen_string_literal: true

# The client that runs Ruby functions: it takes events from the Lambda Runtime API and posts what handlers return.
#
# Classes and methods are called as in AWS's runtime interface client, because tracing packages find and replace them
# by name. Only the standard library is used.

require 'json'
require 'logger'
require 'stringio'
require 'uri'

require_relative 'aws_lambda_ric/version'
require_relative 'aws_lambda_ric/lambda_errors'
require_relative 'aws_lambda_ric/connection'
require_relative 'aws_lambda_ric/lambda_server'
require_relative 'aws_lambda_ric/aws_lambda_marshaller'
require_relative 'aws_lambda_ric/lambda_handler'
require_relative 'aws_lambda_ric/lambda_context'
require_relative 'aws_lambda_ric/lambda_logger'
require_relative 'aws_lambda_ric/lambda_log_formatter'
require_relative 'aws_lambda_ric/telemetry_log_sink'
require_relative 'aws_lambda_ric/logger_patch'
require_relative 'aws_lambda_ric/telemetry_logger'
require_relative 'aws_lambda_ric/xray_cause'

# AWS's client speaks through Net::HTTP, so functions find it loaded. Loading it takes longer than all of this
# client: it is left until somebody names it.
module Net
  autoload :HTTP, 'net/http'
end

# A killed function must not lose what it printed.
$stdout.sync = true
$stderr.sync = true

module AwsLambdaRIC
  # What the Runtime API's requests say about their sender.
  def self.get_user_agent
    "aws-lambda-ruby/#{RUBY_VERSION}-lambent-#{VERSION}"
  end

  # One event with what came along.
  LambdaInvocationRequest = Struct.new(:request_id, :raw_request, :request, :trace_id)

  # Loads the function and runs it for one event after the other.
  class LambdaRunner
    ENV_VAR_RUNTIME_API = 'AWS_LAMBDA_RUNTIME_API'

    # Exit codes of AWS's client, as the operating system shows them 255, 254 and 252.
    EXIT_CRITICAL = -1
    EXIT_RUNTIME = -2
    EXIT_INIT = -4

    def initialize(runtime_server_addr, user_agent)
      @lambda_server = RapidClient.new(runtime_server_addr, user_agent)
      @runtime_loop_active = true
      @exit_code = 0
    end

    # Serves events until the platform ends the process, or an error does.
    def run(app_root, handler)
      $LOAD_PATH.unshift(app_root) unless $LOAD_PATH.include?(app_root)
      begin
        @lambda_handler = LambdaHandler.new(env_handler: handler)
        require @lambda_handler.handler_file_name
        start_runtime_loop
      rescue Exception => e # also LoadError, SyntaxError and SystemExit of the function's own code
        @exit_code = EXIT_INIT
        send_init_error_to_server(e)
      ensure
        TelemetryLogger.close
      end
      exit(@exit_code)
    end

    private

    def start_runtime_loop
      run_user_code(wait_for_invocation) while @runtime_loop_active
    end

    def wait_for_invocation
      request_id, raw_request = @lambda_server.next_invocation
      $_global_aws_request_id = request_id
      trace_id = raw_request['Lambda-Runtime-Trace-Id']
      # Without one, that of the invocation before must not be taken for this one's.
      ENV['_X_AMZN_TRACE_ID'] = trace_id
      request = AwsLambda::Marshaller.marshall_request(raw_request)
      LambdaInvocationRequest.new(request_id, raw_request, request, trace_id)
    end

    def run_user_code(lambda_invocation_request)
      context = LambdaContext.new(lambda_invocation_request.raw_request)
      response, content_type = @lambda_handler.call_handler(
        request: lambda_invocation_request.request,
        context: context
      )
      @lambda_server.send_response(
        request_id: lambda_invocation_request.request_id,
        response_object: response,
        content_type: content_type || 'application/json'
      )
    rescue LambdaErrors::LambdaHandlerError => e
      LambdaLogger.log_error(exception: e, message: 'Error raised from handler method')
      send_error_response(lambda_invocation_request, e)
    rescue LambdaErrors::LambdaHandlerCriticalException => e
      LambdaLogger.log_error(exception: e, message: 'Critical exception from handler')
      send_error_response(lambda_invocation_request, e, EXIT_CRITICAL, false)
    rescue LambdaErrors::LambdaRuntimeError => e
      send_error_response(lambda_invocation_request, e, EXIT_RUNTIME, false)
    end

    def send_init_error_to_server(err)
      error = LambdaErrors::LambdaRuntimeInitError.new(err)
      LambdaLogger.log_error(exception: error, message: 'Init error when loading handler ')
      @lambda_server.send_init_error(error_object: error.to_lambda_response, error: error)
    end

    def send_error_response(lambda_invocation, err, exit_code = nil, runtime_loop_active = true)
      error_object = err.to_lambda_response
      @lambda_server.send_error_response(
        request_id: lambda_invocation.request_id,
        error_object: error_object,
        error: err,
        xray_cause: XRayCause.new(error_object).as_json,
        # A runtime that is about to end must not take a further event along.
        ask_for_next: runtime_loop_active
      )
      @exit_code = exit_code unless exit_code.nil?
      @runtime_loop_active = runtime_loop_active
    end
  end

  # Reads the environment and starts the runner.
  class Bootstrap
    def start
      TelemetryLogger.from_env
      bootstrap_handler
    end

    def fetch_runtime_server
      ENV.fetch(LambdaRunner::ENV_VAR_RUNTIME_API)
    rescue KeyError
      puts 'Failed to get runtime server address from AWS_LAMBDA_RUNTIME_API env variable'
      exit(-2)
    end

    def bootstrap_handler
      handler = ENV['_HANDLER']
      if handler.nil?
        puts 'No handler specified, exiting Runtime Interface Client.'
        exit
      end
      LambdaRunner.new(fetch_runtime_server, AwsLambdaRIC.get_user_agent).run(Dir.pwd, handler)
    end
  end
end
