# frozen_string_literal: true

module AwsLambdaRIC
  # The platform's log descriptor, where there is one: `puts` and loggers write to it, each call one log event.
  class TelemetryLogger
    ENV_VAR_TELEMETRY_LOG_FD = '_LAMBDA_TELEMETRY_LOG_FD'

    class << self
      attr_accessor :telemetry_log_fd_file, :telemetry_log_sink

      def close
        telemetry_log_fd_file&.close
      end

      # The variable is gone afterwards: programs that the function starts must not write there.
      def from_env
        fd = ENV.delete(ENV_VAR_TELEMETRY_LOG_FD)
        new(fd) if fd
        # Also without a descriptor, for format and level.
        Logger.prepend(LoggerPatch)
      end
    end

    def initialize(telemetry_log_fd)
      file = IO.new(telemetry_log_fd.to_i, 'wb')
      file.sync = true
      file.close_on_exec = true
      TelemetryLogger.telemetry_log_fd_file = file
      TelemetryLogger.telemetry_log_sink = TelemetryLogSink.new(file: file)
      mutate_kernel_puts
    rescue Errno::ENOENT, Errno::EBADF
      # Standard output it is.
    end

    private

    def mutate_kernel_puts
      Kernel.module_eval do
        def puts(*lines)
          text = lines.flatten.map { |line| Utf8.text(line) }.join("\n")
          text += "\n" unless text.end_with?("\n")
          AwsLambdaRIC::TelemetryLogger.telemetry_log_sink.write(text)
          nil
        end
        private :puts
      end
    end
  end
end
