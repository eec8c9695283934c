# frozen_string_literal: true

module AwsLambda
  # Turns request bodies into events and results into response bodies. Functions may replace either method.
  class Marshaller
    class << self
      # The event: parsed JSON, or the bytes themselves for any other content type.
      def marshall_request(raw_request)
        raw_request['Content-Type'] == 'application/json' ? JSON.parse(raw_request.body) : raw_request.body
      end

      # The response body and its content type, which is JSON's unless there is one: something to read is sent as it
      # is, anything else as JSON.
      def marshall_response(method_response)
        case method_response
        when StringIO, IO then [method_response, 'application/unknown']
        else method_response.to_json
        end
      end
    end
  end
end
