# frozen_string_literal: true

# The function's handler: `file.method`, or `file.Module::Class.method` for a method of a class.
class LambdaHandler
  attr_reader :handler_file_name, :handler_method_name

  def initialize(env_handler:)
    parts = env_handler.split('.')
    case parts.size
    when 2 then @handler_file_name, @handler_method_name = parts
    when 3 then @handler_file_name, @handler_class, @handler_method_name = parts
    else
      raise ArgumentError, "Invalid handler #{parts}, must be of form FILENAME.METHOD or FILENAME.CLASS.METHOD where " \
                           'FILENAME corresponds with an existing Ruby source file FILENAME.rb, CLASS is an optional ' \
                           'module/class namespace and METHOD is a callable method. If using CLASS, METHOD must be a ' \
                           'class-level method.'
    end
  end

  # The result in the form in which it is posted. Serialisation may be the function's own code, so its errors are the
  # function's.
  def call_handler(request:, context:)
    receiver = @handler_class ? Kernel.const_get(@handler_class) : self
    AwsLambda::Marshaller.marshall_response(receiver.__send__(@handler_method_name, event: request, context: context))
  rescue NameError => e # also NoMethodError: after one of these AWS's client ends the process
    raise LambdaErrors::LambdaHandlerCriticalException, e
  rescue StandardError => e
    raise LambdaErrors::LambdaHandlerError, e
  rescue Exception => e # SystemExit, NoMemoryError, SystemStackError and the like
    raise LambdaErrors::LambdaHandlerCriticalException, e
  end
end
