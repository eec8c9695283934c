"""Our Ruby client on the wire and on every Ruby there is."""

import re

import pytest

from fake_api import FUNCTION_ARN, Event, request_id
from harness import run

ECHO = {"app.rb": "def handler(event:, context:) = event\n"}
CONTEXT = '{"client":{"installation_id":"i"},"custom":{"a":1},"w3c":{"traceparent":"x","z":1,"baggage":2}}'


def test_requests_are_these_bytes(ruby, task):
    result = run(ruby, task, ECHO, "app.handler", [Event(b'{"a": 1}'), Event(b"2")], "ruby3.3")
    first, response, following, *_ = result.requests
    assert (first.method, first.path) == ("GET", "/2018-06-01/runtime/invocation/next")
    assert set(first.headers) == {"host", "user-agent"}
    assert response.path == "/2018-06-01/runtime/invocation/{}/response".format(request_id(0))
    assert response.body == b'{"a":1}'
    assert set(response.headers) == {"host", "user-agent", "content-length", "content-type"}
    assert response.headers["user-agent"].startswith("aws-lambda-ruby/")
    # The next event is asked for in the same write.
    assert [request.pipelined for request in result.requests] == [False, False, True, False, True]


def test_every_ruby_runs_functions(any_ruby, task):
    client, runtime = any_ruby
    code = (
        "require 'logger'\nLOG = Logger.new($stdout)\n"
        "def handler(event:, context:)\n"
        "  LOG.warn('warned')\n"
        "  puts 'one', ['two']\n"
        "  raise ArgumentError, 'no' if event == 'fail'\n"
        "  { text: \"\\u00fc\", arn: context.invoked_function_arn, http: Net::HTTP.name }\n"
        "end\n"
    )
    result = run(client, task, {"app.rb": code}, "app.handler", [Event(), Event(b'"fail"')], runtime)
    assert result.results[0] == '{{"text":"ü","arn":"{}","http":"Net::HTTP"}}'.format(FUNCTION_ARN)
    failure = result.outcomes[1]
    error = failure.json()
    assert list(error) == ["errorMessage", "errorType", "stackTrace"]
    assert (error["errorType"], error["errorMessage"]) == ("Function<ArgumentError>", "no")
    assert re.search(r"/task/app\.rb:6:in [`'](Object#)?handler'$", error["stackTrace"][0])
    assert failure.headers["lambda-runtime-function-error-type"] == "Function<ArgumentError>"
    assert '"line":6' in failure.headers["lambda-runtime-function-xray-error-cause"]
    assert {hex(frame.type) for frame in result.frames} == {"0xa55a0003"}
    warned, printed, _, _, heading, document = [frame.message for frame in result.frames]
    assert re.fullmatch(r"W, \[[-\dT:.]{26} #\d+\]  WARN %s -- : warned\n" % request_id(0), warned)
    assert (printed, heading) == ("one\ntwo\n", "Error raised from handler method\n")
    assert document.startswith('{\n  "errorMessage": "no",\n') and document.endswith("}\n")
    assert (result.stderr, result.waited) == ("", True)


RESULTS = {
    "nil": "null",
    "1.5": "1.5",
    "12345678901234567890123": "12345678901234567890123",
    "[1, 'a', nil, true, { b: :c }]": '[1,"a",null,true,{"b":"c"}]',
    "{ 1 => 2, nil => 3 }": '{"1":2,"":3}',
    "\"\\u2028 / < \\u{1F600}\"": '"\u2028 / < \U0001f600"',
    "Time.at(0).utc": '"1970-01-01 00:00:00 UTC"',
    "Struct.new(:a).new(1).to_h": '{"a":1}',
    "StringIO.new('as it is')": "as it is",
    "(1..3)": '"1..3"',
}


def test_results_are_json(ruby, task):
    code = "VALUES = [{}]\ndef handler(event:, context:) = VALUES[event]\n".format(", ".join(RESULTS))
    events = [Event(str(number).encode()) for number in range(len(RESULTS))]
    result = run(ruby, task, {"app.rb": code}, "app.handler", events, "ruby3.3")
    assert result.results == list(RESULTS.values())
    types = {request.headers["content-type"] for request in result.outcomes}
    assert types == {"application/json", "application/unknown"}


# What is raised, its type for the caller, the header's, and the exit code (AWS's client ends after the last three).
FAILURES = {
    "raise 'm'": ("RuntimeError", "UserException", None),
    "raise StandardError, 'm'": ("StandardError", "StandardError", None),
    "raise Class.new(ArgumentError), 'm'": (None, "UserException", None),
    "Float::NAN": ("JSON::GeneratorError", "UserException", None),
    "[].fetch(9)": ("IndexError", "UserException", None),
    "throw :x": ("UncaughtThrowError", "UserException", None),
    "nil.missing": ("NoMethodError", "NoMethodError", 255),
    "Missing": ("NameError", "NameError", 255),
    "raise NotImplementedError": ("NotImplementedError", "UserException", 255),
    "raise Exception, 'm'": ("Exception", "Exception", 255),
    "def deep = deep\ndeep": ("SystemStackError", "SystemStackError", 255),
    "exit 3": ("SystemExit", "SystemExit", 255),
    "abort 'said'": ("SystemExit", "SystemExit", 255),
}


@pytest.mark.parametrize("code", FAILURES)
def test_failures_have_their_type_and_end_what_they_end(code, ruby, task):
    error_type, reported, exit_code = FAILURES[code]
    files = {"app.rb": "def handler(event:, context:)\n{}\nend\n".format(code)}
    result = run(ruby, task, files, "app.handler", [Event(), Event()], "ruby3.3")
    assert len(result.outcomes) == (1 if exit_code else 2)
    for outcome in result.outcomes:
        assert outcome.kind == "error"
        assert outcome.headers["lambda-runtime-function-error-type"] == "Function<{}>".format(reported)
        assert error_type is None or outcome.json()["errorType"] == "Function<{}>".format(error_type)
    assert (result.waited, result.exit_code) == ((False, exit_code) if exit_code else (True, -9))
    # A runtime that ends takes no further event along.
    assert sum(request.kind == "next" for request in result.requests) == (1 if exit_code else 3)


INIT_FAILURES = {
    "no such file": ({}, "nope.f", "LoadError", "cannot load such file -- nope"),
    "no such gem": ({"app.rb": "require 'missing_gem'"}, "app.f", "LoadError", "cannot load such file -- missing_gem"),
    "no method in the handler": ({}, "app", "ArgumentError", "Invalid handler"),
    "too many dots": ({}, "a.b.c.d", "ArgumentError", "Invalid handler"),
    "bad syntax": ({"app.rb": "def x("}, "app.f", "SyntaxError", "app.rb"),
    "raised while loading": ({"app.rb": "raise 'at load'"}, "app.f", "RuntimeError", "at load"),
    "exit while loading": ({"app.rb": "exit 3"}, "app.f", "SystemExit", "exit"),
}


@pytest.mark.parametrize("case", INIT_FAILURES)
def test_what_cannot_be_loaded_is_an_init_error(case, ruby, task):
    files, handler, error_type, message = INIT_FAILURES[case]
    result = run(ruby, task, files, handler, [Event()], "ruby3.3")
    (error,) = result.init_errors
    assert error.json()["errorType"] == "Init<{}>".format(error_type)
    assert message in error.json()["errorMessage"]
    assert result.frames[0].message == "Init error when loading handler \n"
    assert (result.outcomes, result.exit_code) == ([], 252)


def test_handlers_of_classes_modules_and_folders(ruby, task):
    files = {
        "lib/deep.rb": "module A\n  class B\n    def self.run(event:, context:) = [name, event]\n  end\nend\n",
        "flat.rb": "class C\n  class << self\n    private\n    def run(**given) = given.keys\n  end\nend\n",
    }
    assert run(ruby, task, files, "lib/deep.A::B.run", [Event(b"1")], "ruby3.3").results == ['["A::B",1]']
    assert run(ruby, task, files, "flat.C.run", [Event(b"1")], "ruby3.3").results == ['["event","context"]']


def test_the_context_is_complete(ruby, task):
    code = """
def handler(event:, context:)
  raise 'time' unless context.get_remaining_time_in_millis.between?(1, 60_000) && context.deadline_ms > 0
  methods = %i[aws_request_id invoked_function_arn log_group_name log_stream_name function_name memory_limit_in_mb
               function_version identity client_context tenant_id w3c]
  methods.to_h { |name| [name, context.public_send(name)] }.merge(trace: ENV['_X_AMZN_TRACE_ID'], fd: ENV.key?('_LAMBDA_TELEMETRY_LOG_FD'))
end
"""
    events = [
        Event(),
        Event(headers={"Lambda-Runtime-Client-Context": CONTEXT, "Lambda-Runtime-Aws-Tenant-Id": "tenant"}),
        Event(headers={"Lambda-Runtime-Cognito-Identity": '{"cognitoIdentityId":"i"}', "Lambda-Runtime-Trace-Id": None}),
    ]
    plain, client, identity = [o.json() for o in run(ruby, task, {"app.rb": code}, "app.handler", events).outcomes]
    assert plain == {
        "aws_request_id": request_id(0),
        "invoked_function_arn": FUNCTION_ARN,
        "log_group_name": "/aws/lambda/f",
        "log_stream_name": "2026/01/01/[$LATEST]0123456789abcdef0123456789abcdef",
        "function_name": "f",
        "memory_limit_in_mb": "128",
        "function_version": "$LATEST",
        "identity": None,
        "client_context": None,
        "tenant_id": None,
        "w3c": {},
        "trace": "Root=1-00000000-{:024d};Sampled=0".format(0),
        "fd": False,
    }
    assert client["client_context"] == {"client": {"installation_id": "i"}, "custom": {"a": 1}}
    assert (client["w3c"], client["tenant_id"]) == ({"traceparent": "x"}, "tenant")
    assert (identity["identity"], identity["trace"]) == ({"cognitoIdentityId": "i"}, None)


LOGS = """
require 'logger'
def handler(event:, context:)
  log = Logger.new($stdout, progname: 'name')
  log.debug('details'); log.info("two\\nlines"); log.error(ArgumentError.new("\\xff"))
  Logger.new($stderr, formatter: ->(*parts) { "own #{parts.last}\\n" }).warn('formatted')
  Logger.new($stdout, level: Logger::ERROR).warn('never')
  text = StringIO.new; Logger.new(text).info('elsewhere')
  print 'no line end'; $stdout.puts 'raw'; warn 'to stderr'
  Thread.new { puts 'from a thread' }.join
  text.string.include?('elsewhere')
end
"""


def test_loggers_follow_the_function_s_format_and_level(ruby, task):
    env = {"AWS_LAMBDA_LOG_FORMAT": "JSON", "AWS_LAMBDA_LOG_LEVEL": "INFO"}
    result = run(ruby, task, {"app.rb": LOGS}, "app.handler", env=env)
    messages = [frame.message for frame in result.frames]
    assert not any("details" in message or "never" in message for message in messages)
    assert '"level":"INFO","message":"two\\nlines","requestId":"{}","logger":"name"'.format(request_id(0)) in messages[0]
    assert '"errorType":"ArgumentError","errorMessage":"\ufffd"' in messages[1]
    assert messages[2:] == ["own formatted\n", "from a thread\n"]
    assert (result.stdout, result.stderr) == ("no line endraw\n", "to stderr\n")
    assert result.results == ["true"]


def test_without_a_descriptor_loggers_write_to_standard_output(ruby, task):
    result = run(ruby, task, {"app.rb": LOGS}, "app.handler", telemetry=False)
    assert re.search(r"I, \[\S+ #\d+\]  INFO %s -- name: two\nlines\n" % request_id(0), result.stdout)
    assert "from a thread\n" in result.stdout and "own formatted\n" in result.stderr


def test_large_events_and_results_arrive_whole(ruby, task):
    event = b'"' + b"x" * 5_000_000 + b'"'
    result = run(ruby, task, ECHO, "app.handler", [Event(event), Event(event, chunked=True), Event(b"1")], "ruby3.3")
    assert [request.body for request in result.outcomes] == [event, event, b"1"]


@pytest.mark.parametrize("status", [413, 400, 403])
def test_a_refused_result_does_not_end_the_environment(ruby, task, status):
    result = run(ruby, task, ECHO, "app.handler", [Event(b"1", answer=status), Event(b"2")], "ruby3.3")
    assert result.results == ["1", "2"] and result.waited
    assert re.fullmatch(
        r"\[ERROR\] \[\d+\] LAMBDA_RUNTIME Failed to post handler success response. Http response code: %d.\n" % status,
        result.stderr,
    )


def test_a_broken_platform_ends_the_process(ruby, task):
    result = run(ruby, task, ECHO, "app.handler", [Event(b"1", answer=500), Event(b"2")], "ruby3.3")
    assert not result.waited and result.exit_code == 252


def test_an_invocation_id_is_echoed(ruby, task):
    events = [Event(headers={"Lambda-Runtime-Invocation-Id": "abc"}), Event()]
    result = run(ruby, task, ECHO, "app.handler", events, "ruby3.3")
    assert [request.headers.get("lambda-runtime-invocation-id") for request in result.outcomes] == ["abc", None]


def test_vendors_can_replace_the_client_s_methods(ruby, task):
    # What tracing packages do when the function's file loads them.
    code = """
module Traced
  def call_handler(request:, context:)
    puts "traced #{context.function_name}"
    super(request: { 'wrapped' => request }, context: context)
  end
end
LambdaHandler.prepend(Traced)
module AwsLambda
  class Marshaller
    def self.marshall_request(raw_request) = "own #{raw_request.body}"
  end
end
def handler(event:, context:) = event
"""
    result = run(ruby, task, {"app.rb": code}, "app.handler", [Event(b"1")], "ruby3.3")
    assert result.results == ['{"wrapped":"own 1"}']
    assert result.frames[0].message == "traced f\n"
