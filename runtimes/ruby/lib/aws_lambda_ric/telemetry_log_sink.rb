# frozen_string_literal: true

# Writes log events with their bounds and time to the platform's descriptor.
#
# A frame is, big-endian: type (4 bytes), length of the message (4), UNIX time in microseconds (8), message.
class TelemetryLogSink < Logger::LogDevice
  FRAME_TYPE = 0xa55a0003

  # Nothing of the parent's is wanted but its being a device that Logger takes.
  def initialize(file:) # rubocop:disable Lint/MissingSuper
    @file = file
    @semaphore = Mutex.new
  end

  # Writes one log event.
  def write(msg)
    return $stdout.write(msg) if @file.nil? || @file.closed?

    message = msg.to_s.b
    time = Process.clock_gettime(Process::CLOCK_REALTIME, :microsecond)
    frame = [FRAME_TYPE, message.bytesize, time].pack('L>L>Q>') << message
    # Threads must not write into each other's frames.
    @semaphore.synchronize { @file.write(frame) }
  end

  # There is no file to open again.
  def reopen(_log = nil); end

  # The descriptor is not the logger's to close.
  def close; end
end
