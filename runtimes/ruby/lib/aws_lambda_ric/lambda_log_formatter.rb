# frozen_string_literal: true

# Text that UTF-8 can hold.
module Utf8
  REPLACEMENT = "\uFFFD"

  def self.text(value)
    value.to_s.encode('UTF-8', invalid: :replace, undef: :replace, replace: REPLACEMENT).scrub(REPLACEMENT)
  end
end

# The default format of Ruby's Logger, with the id of the request.
class LogFormatter < Logger::Formatter
  FORMAT = '%<sev>s, [%<datetime>s #%<process>d] %<severity>5s %<request_id>s -- %<progname>s: %<msg>s'

  def call(severity, time, progname, msg)
    line = format(
      FORMAT,
      sev: severity[0], datetime: format_datetime(time), process: Process.pid, severity: severity,
      request_id: $_global_aws_request_id, progname: progname, msg: Utf8.text(msg2str(msg))
    )
    "#{Utf8.text(line)}\n"
  end
end

# One JSON object for each record, where the function's log format is JSON.
class JsonLogFormatter < Logger::Formatter
  DATETIME_FORMAT = '%Y-%m-%dT%H:%M:%S.%6NZ'

  def call(severity, time, progname, msg)
    record = {
      timestamp: time.utc.strftime(DATETIME_FORMAT),
      level: severity,
      message: Utf8.text(msg.is_a?(Exception) ? msg.message : msg2str(msg)),
      requestId: $_global_aws_request_id
    }
    record[:logger] = Utf8.text(progname) unless progname.to_s.empty?
    record.merge!(failure(msg)) if msg.is_a?(Exception)
    "#{JSON.generate(record.compact)}\n"
  end

  private

  def failure(error)
    stack = Array(error.backtrace).map { |line| Utf8.text(line) }
    {
      errorType: error.class.to_s,
      errorMessage: Utf8.text(error.message),
      stackTrace: stack,
      location: location(stack.first)
    }
  end

  # `file:line:in 'method'` as `file:method:line`.
  def location(frame)
    found = /\A(?<file>.+):(?<line>\d+):in [`'](?<method>.+)'\z/.match(frame)
    found ? "#{found[:file]}:#{found[:method]}:#{found[:line]}" : frame
  end
end
