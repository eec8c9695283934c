# frozen_string_literal: true

require_relative 'lib/aws_lambda_ric'

AwsLambdaRIC::Bootstrap.new.start
