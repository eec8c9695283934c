# frozen_string_literal: true

# What can go wrong, as callers of the function see it (AWS Lambda Developer Guide, "AWS Lambda function errors in
# Ruby").
module LambdaErrors
  # The Runtime API gave no event.
  class InvocationError < StandardError
  end

  # An error of the function's, with its type in the form `Function<RuntimeError>`.
  class LambdaError < StandardError
    # Types that the platform is told by name; any other is a `UserException`, since functions choose their names.
    REPORTED_TYPES = %w[
      ArgumentError NoMethodError Exception StandardError NameError LoadError SystemExit SystemStackError
    ].freeze
    STACK_FRAMES_MAX = 100

    def initialize(original_error, classification = 'Function')
      @error_class = original_error.class.to_s
      @error_type = "#{classification}<#{@error_class}>"
      @error_message = original_error.message
      @stack_trace = Array(original_error.backtrace_locations).first(STACK_FRAMES_MAX)
      super(original_error)
    end

    # What the header Lambda-Runtime-Function-Error-Type says.
    def runtime_error_type
      REPORTED_TYPES.include?(@error_class) ? @error_type : 'Function<UserException>'
    end

    # The error document.
    def to_lambda_response
      { errorMessage: @error_message, errorType: @error_type, stackTrace: @stack_trace }
    end
  end

  # Raised by the handler; the environment goes on.
  class LambdaHandlerError < LambdaError
  end

  # Raised by the handler, and of a kind after which the process ends.
  class LambdaHandlerCriticalException < LambdaError
  end

  # Raised while a result was posted.
  class LambdaRuntimeError < LambdaError
    def initialize(original_error)
      super(original_error, 'Runtime')
    end
  end

  # Raised while the function was loaded.
  class LambdaRuntimeInitError < LambdaError
    def initialize(original_error)
      super(original_error, 'Init')
    end
  end
end
