# frozen_string_literal: true

module AwsLambdaRIC
  # The version of AWS's client that this one behaves as.
  VERSION = '3.2.0'
end
