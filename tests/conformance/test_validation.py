"""What AWS refuses and in which words (API Reference: constraints; the service's own limits; observed messages)."""

import pytest

from support.errors import refused
from support.functions import ROLE, arn, probe_zip, unique

VALIDATION, PARAMETER = "ValidationException", "InvalidParameterValueException"
OFF = object()


@pytest.fixture
def create(lambda_, python, make):
    """Creates a function with one thing wrong; the rest is right."""

    def call(**changes):
        parameters = {
            "FunctionName": unique("invalid"),
            "Runtime": python,
            "Role": ROLE,
            "Handler": "a.b",
            "Code": {"ZipFile": probe_zip()},
            **changes,
        }
        parameters = {name: value for name, value in parameters.items() if value is not OFF}
        make.names.append((lambda_, parameters.get("FunctionName", "none")))
        return refused(lambda_.create_function, **parameters)

    return call


def one(path, value, constraint):
    shown = "null" if value is None else f"'{value}'"
    return f"1 validation error detected: Value {shown} at '{path}' failed to satisfy constraint: {constraint}"


def length(most):
    return f"Member must have length less than or equal to {most}"


def at_most(limit):
    return f"Member must have value less than or equal to {limit}"


def at_least(limit):
    return f"Member must have value greater than or equal to {limit}"


LONG = "h" * 129
CONSTRAINTS = {
    "timeout-0": ({"Timeout": 0}, VALIDATION, one("timeout", 0, at_least(1))),
    "timeout-901": ({"Timeout": 901}, PARAMETER, one("timeout", 901, at_most(900))),
    "timeout-model": ({"Timeout": 5401}, VALIDATION, one("timeout", 5401, at_most(5400))),
    "memory-127": ({"MemorySize": 127}, VALIDATION, one("memorySize", 127, at_least(128))),
    "memory-10241": ({"MemorySize": 10241}, PARAMETER, one("memorySize", 10241, at_most(10240))),
    "memory-model": ({"MemorySize": 32769}, VALIDATION, one("memorySize", 32769, at_most(32768))),
    "storage-511": ({"EphemeralStorage": {"Size": 511}}, VALIDATION, one("ephemeralStorage.size", 511, at_least(512))),
    "storage-10241": (
        {"EphemeralStorage": {"Size": 10241}},
        PARAMETER,
        one("ephemeralStorage.size", 10241, at_most(10240)),
    ),
    "handler-129": ({"Handler": LONG}, VALIDATION, one("handler", LONG, length(128))),
    "description-257": ({"Description": "d" * 257}, VALIDATION, one("description", "d" * 257, length(256))),
    "no-role": ({"Role": OFF}, VALIDATION, one("role", None, "Member must not be null")),
    "no-code": ({"Code": OFF}, VALIDATION, one("code", None, "Member must not be null")),
    "no-name": ({"FunctionName": OFF}, VALIDATION, one("functionName", None, "Member must not be null")),
    # Longer than 64 characters: AWS answers with the same words, as another exception.
    "name-65": ({"FunctionName": "n" * 65}, PARAMETER, one("functionName", "n" * 65, length(64))),
}


@pytest.mark.parametrize("case", CONSTRAINTS)
def test_constraints_have_awss_words(create, case):
    changes, code, message = CONSTRAINTS[case]
    error = create(**changes)
    assert (error.status, error.code, error.message) == (400, code, message)


@pytest.mark.parametrize(
    ("changes", "code", "beginning", "end"),
    [
        (
            {"Handler": "a b"},
            VALIDATION,
            "1 validation error detected: Value 'a b' at 'handler' failed to satisfy constraint: Member must satisfy regular expression pattern: ",
            "",
        ),
        (
            {"Role": "role"},
            VALIDATION,
            "1 validation error detected: Value 'role' at 'role' failed to satisfy constraint: Member must satisfy regular expression pattern: arn:",
            "",
        ),
        (
            {"FunctionName": "no spaces"},
            VALIDATION,
            "1 validation error detected: Value 'no spaces' at 'functionName' failed to satisfy constraint: Member must satisfy regular expression pattern: ",
            "",
        ),
        ({"Architectures": ["x86_64", "i386"]}, VALIDATION, "", ""),
        (
            {"Architectures": ["i386"]},
            VALIDATION,
            "1 validation error detected: Value '[i386]' at 'architectures' failed to satisfy constraint: Member must satisfy constraint: [Member must satisfy enum value set: [",
            "], Member must not be null]",
        ),
        (
            {"PackageType": "Tar"},
            VALIDATION,
            "1 validation error detected: Value 'Tar' at 'packageType' failed to satisfy constraint: Member must satisfy enum value set: [",
            "]",
        ),
        ({"Environment": {"Variables": {"1A": "x"}}}, VALIDATION, "1 validation error detected: ", ""),
        ({"Timeout": 0, "MemorySize": 1}, VALIDATION, "2 validation errors detected: Value ", ""),
        (
            {"Runtime": "cobol85"},
            PARAMETER,
            "Value cobol85 at 'runtime' failed to satisfy constraint: Member must satisfy enum value set: [",
            "] or be a valid ARN",
        ),
        (
            {"Runtime": "python2.7"},
            PARAMETER,
            "The runtime parameter of python2.7 is no longer supported for creating or updating AWS Lambda functions. We recommend you use a supported runtime while creating or updating functions.",
            "",
        ),
        ({"Runtime": OFF}, PARAMETER, "", ""),
        ({"Handler": OFF}, PARAMETER, "", ""),
        (
            {"LoggingConfig": {"LogFormat": "Text", "SystemLogLevel": "WARN"}},
            PARAMETER,
            'LogLevel is not supported when LogFormat is set to "Text". Remove LogLevel from your request or change the LogFormat to "JSON" and try again.',
            "",
        ),
        (
            {"Environment": {"Variables": {"AWS_REGION": "x", "LAMBDA_TASK_ROOT": "y"}}},
            PARAMETER,
            "Lambda was unable to configure your environment variables because the environment variables you have provided contains reserved keys that are currently not supported for modification. Reserved keys used in this request: AWS_REGION, LAMBDA_TASK_ROOT",
            "",
        ),
        (
            {"Tags": {f"k{number}": "v" for number in range(51)}},
            PARAMETER,
            "Number of tags exceeds resource tag limit.",
            "",
        ),
        ({"Code": {}}, PARAMETER, "", ""),
        ({"Code": {"ZipFile": b""}}, PARAMETER, "", ""),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, dict) else "",
)
def test_settings_out_of_range_are_refused(create, changes, code, beginning, end):
    error = create(**changes)
    assert (error.status, error.code) == (400, code), error
    assert error.message.startswith(beginning) and error.message.endswith(end), error
    assert error.message


def test_the_environment_is_measured_as_compact_json(create, make):
    fits = 4096 - len('{"KEY":""}')
    name = make.create("large-environment", Environment={"Variables": {"KEY": "x" * fits}})
    assert name
    error = create(Environment={"Variables": {"KEY": "x" * (fits + 1)}})
    assert error.code == PARAMETER
    text = "Lambda was unable to configure your environment variables because the environment variables you have provided exceeded the 4KB limit. String measured: "
    assert error.message == text + '{"KEY":"' + "x" * (fits + 1) + '"}'


# Accepted and ignored would be the worst answer: each is refused, and the message says that it is not there yet.
NOT_YET = {
    "image": {
        "PackageType": "Image",
        "Code": {"ImageUri": "000000000000.dkr.ecr.us-east-1.amazonaws.com/i:1"},
        "Runtime": OFF,
        "Handler": OFF,
    },
    "s3-mode": {"Code": {"S3Bucket": "bucket", "S3Key": "key", "S3ObjectStorageMode": "COPY"}},
    "durable": {"DurableConfig": {"ExecutionTimeout": 10, "RetentionPeriodInDays": 1}},
}


@pytest.mark.parametrize("setting", NOT_YET)
def test_what_is_not_there_yet_is_refused(create, lambda_, setting):
    before = len(lambda_.list_functions()["Functions"])
    error = create(**NOT_YET[setting])
    assert (error.status, error.code) == (400, PARAMETER), error
    assert "not support" in error.message, error
    assert len(lambda_.list_functions()["Functions"]) == before


def test_updates_refuse_it_as_well(lambda_, probe):
    error = refused(lambda_.update_function_configuration, FunctionName=probe, **NOT_YET["durable"])
    assert (error.code, "not support" in error.message) == (PARAMETER, True), error
    for change in ({"ZipFile": probe_zip(), "PublishTo": "LATEST_PUBLISHED"},):
        error = refused(lambda_.update_function_code, FunctionName=probe, **change)
        assert (error.code, "not support" in error.message) == (PARAMETER, True), error
    error = refused(lambda_.update_function_code, FunctionName=probe, ImageUri="i")
    assert (error.code, error.message) == (
        PARAMETER,
        "Please don't provide ImageUri when updating a function with packageType Zip.",
    )


def test_settings_in_their_neutral_form_are_accepted(make, lambda_, invoke):
    # What tools send without meaning anything by it.
    name = make.create(
        "neutral",
        Layers=[],
        VpcConfig={"SubnetIds": [], "SecurityGroupIds": []},
        KMSKeyArn="",
        DeadLetterConfig={"TargetArn": ""},
        TracingConfig={"Mode": "PassThrough"},
        SnapStart={"ApplyOn": "None"},
        Publish=False,
        PackageType="Zip",
        Architectures=["x86_64"],
        FileSystemConfigs=[],
        Tags={},
    )
    assert invoke(name).ok["name"] == name


def test_names_of_other_places_are_not_reachable(lambda_, probe):
    error = refused(lambda_.get_function, FunctionName=arn(probe).replace("us-east-1", "eu-west-1"))
    assert (error.status, error.code) == (404, "ResourceNotFoundException")
    assert error.message == "Functions from 'eu-west-1' are not reachable in this region ('us-east-1')"
    error = refused(lambda_.get_function, FunctionName=arn(probe).replace("000000000000", "123456789012"))
    assert (error.status, error.code) == (403, "AccessDeniedException")
    error = refused(lambda_.invoke, FunctionName=arn(probe).replace("000000000000", "123456789012"))
    assert (error.status, error.code) == (403, "AccessDeniedException")


def test_qualifiers(lambda_, probe, invoke):
    error = refused(lambda_.get_function, FunctionName=f"{probe}:$LATEST", Qualifier="1")
    assert (error.code, error.message) == (
        PARAMETER,
        "The derived qualifier from the function name does not match the specified qualifier.",
    )
    assert lambda_.get_function(FunctionName=f"{probe}:$LATEST", Qualifier="$LATEST")["Configuration"][
        "FunctionArn"
    ] == arn(probe, "$LATEST")
    for qualifier in ("1", "live", "$latest"):
        for call in (lambda_.invoke, lambda_.get_function):
            error = refused(call, FunctionName=probe, Qualifier=qualifier)
            assert (error.status, error.code) == (404, "ResourceNotFoundException") or qualifier == "$latest", (
                qualifier,
                error,
            )
            assert error.status in (400, 404)
    error = refused(lambda_.invoke, FunctionName=probe, Qualifier="7")
    assert error.message == f"Function not found: {arn(probe, '7')}"
    error = refused(lambda_.delete_function, FunctionName=probe, Qualifier="$LATEST")
    assert (error.code, error.message) == (
        PARAMETER,
        "$LATEST version cannot be deleted without deleting the function.",
    )
    error = refused(lambda_.invoke, FunctionName="a b", Qualifier="a b")
    assert error.code == VALIDATION and error.message.startswith(
        "2 validation errors detected: Value 'a b' at 'qualifier'"
    )
    assert "; Value 'a b' at 'functionName' failed" in error.message


def test_invocation_headers_are_checked(lambda_, probe):
    error = refused(lambda_.invoke, FunctionName=probe, InvocationType="Later")
    assert (
        error.code == VALIDATION
        and "'invocationType' failed to satisfy constraint: Member must satisfy enum value set: [" in error.message
    )
    error = refused(lambda_.invoke, FunctionName=probe, ClientContext="not base64!")
    assert (error.status, error.code) in (
        (400, "InvalidRequestContentException"),
        (400, VALIDATION),
        (400, PARAMETER),
    ), error
    error = refused(lambda_.invoke, FunctionName=probe, ClientContext="QUFB" * 1000)
    assert error.status == 400, error
    error = refused(lambda_.invoke, FunctionName=probe, DurableExecutionName="d")
    assert error.status == 400, error


def test_tags_have_rules(lambda_, probe):
    for qualifier in ("$LATEST", "1"):
        error = refused(lambda_.tag_resource, Resource=arn(probe, qualifier), Tags={"a": "b"})
        assert (error.code, error.message) == (
            PARAMETER,
            "Tags on function aliases and versions are not supported. Please specify a function ARN.",
        )
    error = refused(lambda_.tag_resource, Resource=arn(probe), Tags={f"k{number}": "v" for number in range(51)})
    assert (error.code, error.message) == (PARAMETER, "Number of tags exceeds resource tag limit.")
    error = refused(lambda_.tag_resource, Resource=arn(probe), Tags={"a" * 129: "b"})
    assert error.status == 400
    assert refused(lambda_.tag_resource, Resource=arn(probe), Tags={"aws:x": "b"}).status == 400
    assert lambda_.list_tags(Resource=arn(probe))["Tags"] == {}


def test_reads_of_what_is_not_configured_answer_awss_form(lambda_, probe):
    def bare(answer):
        answer.pop("ResponseMetadata")
        return answer

    assert bare(lambda_.get_function_concurrency(FunctionName=probe)) == {}
    signing = bare(lambda_.get_function_code_signing_config(FunctionName=probe))
    assert signing.get("FunctionName", probe) == probe and not signing.get("CodeSigningConfigArn")
    assert bare(lambda_.get_function_recursion_config(FunctionName=probe)) == {"RecursiveLoop": "Terminate"}
    management = bare(lambda_.get_runtime_management_config(FunctionName=probe))
    assert management["UpdateRuntimeOn"] == "Auto"
    versions = bare(lambda_.list_versions_by_function(FunctionName=probe))["Versions"]
    assert [(version["Version"], version["FunctionArn"]) for version in versions] == [
        ("$LATEST", arn(probe, "$LATEST"))
    ]
    error = refused(lambda_.get_policy, FunctionName=probe)
    assert (error.status, error.message) == (404, "The resource you requested does not exist.")
    settings = bare(lambda_.get_account_settings())
    assert settings["AccountLimit"]["CodeSizeUnzipped"] == 262_144_000
    assert settings["AccountLimit"]["CodeSizeZipped"] == 52_428_800
    assert settings["AccountLimit"]["ConcurrentExecutions"] == 1000
    assert settings["AccountUsage"]["FunctionCount"] >= 1
