# Greets whoever the event names.

def lambda_handler(event:, context:)
  name = (event['name'] if event.is_a?(Hash)) || 'world'
  $stdout.puts "greeting #{name}"
  { message: "Hello, #{name}!", function: context.function_name, requestId: context.aws_request_id }
end
