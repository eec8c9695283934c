# frozen_string_literal: true

# The error's cause in the form of an X-Ray segment document.
class XRayCause
  MAX_DEPTH = 15

  def initialize(error_object)
    @cause = {
      working_directory: Dir.pwd,
      paths: Gem.paths.path,
      exceptions: error_object && [exception(error_object)]
    }
  end

  def as_json
    @as_json ||= JSON.dump(@cause)
  end

  private

  def exception(error)
    stack = error[:stackTrace]&.first(MAX_DEPTH)&.map do |frame|
      { path: frame.path, line: frame.lineno, label: frame.label }
    end
    { message: error[:errorMessage], type: error[:errorType], stack: stack }
  end
end
