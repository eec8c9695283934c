# frozen_string_literal: true

# Writes errors to the function's log.
class LambdaLogger
  def self.log_error(exception:, message: nil)
    puts message if message
    puts JSON.pretty_generate(exception.to_lambda_response)
  end
end
