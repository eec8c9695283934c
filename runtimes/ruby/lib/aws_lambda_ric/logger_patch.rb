# frozen_string_literal: true

# Loggers that write to the standard streams, or nowhere, write to the function's log, in its format and from its
# level on (AWS Lambda Developer Guide, "Log and monitor Ruby Lambda functions").
module LoggerPatch
  def initialize(logdev, *arguments, level: nil, formatter: nil, **options)
    if logdev.nil? || logdev.equal?($stdout) || logdev.equal?($stderr)
      logdev = AwsLambdaRIC::TelemetryLogger.telemetry_log_sink || logdev
      formatter ||= LoggerPatch.default_formatter
      level ||= LoggerPatch.default_level
    end
    super(logdev, *arguments, level: level || Logger::DEBUG, formatter: formatter, **options)
  end

  def self.default_formatter
    ENV['AWS_LAMBDA_LOG_FORMAT'].to_s.casecmp?('JSON') ? JsonLogFormatter.new : LogFormatter.new
  end

  # Ruby has no TRACE.
  def self.default_level
    name = ENV['AWS_LAMBDA_LOG_LEVEL'].to_s.upcase
    { 'INFO' => Logger::INFO, 'WARN' => Logger::WARN, 'ERROR' => Logger::ERROR, 'FATAL' => Logger::FATAL }
      .fetch(name, Logger::DEBUG)
  end
end
