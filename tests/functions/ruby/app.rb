require 'logger'

def handler(event:, context:)
  puts 'printed by the function'
  Logger.new($stdout).info('logged by the function')
  raise ArgumentError, event['fail'] if event.key?('fail')

  sleep event.fetch('sleep', 0)
  {
    value: event['value'],
    greeting: ENV['GREETING'],
    request_id: context.aws_request_id,
    runtime: ENV['AWS_EXECUTION_ENV']
  }
end
