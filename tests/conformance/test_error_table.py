"""Each operation of functions as a table: exactly these members when it works, and each error of the API Reference that
can be caused with its code, status and message (AWS Lambda API Reference: "Errors" of each operation)."""

import botocore.session
import pytest

from support.errors import refused
from support.functions import ROLE, arn, probe_zip, unique, until_active

NOT_FOUND, PARAMETER = "ResourceNotFoundException", "InvalidParameterValueException"
CONFLICT, PRECONDITION = "ResourceConflictException", "PreconditionFailedException"
WRONG = "00000000-0000-4000-8000-000000000000"
STALE = (
    "The Revision Id provided does not match the latest Revision Id. Call the {} API to retrieve the latest Revision Id"
)
ABSENT = "absent-function"
QUEUE = "arn:aws:sqs:us-east-1:000000000000:q"
SIGNING = "arn:aws:lambda:us-east-1:000000000000:code-signing-config:csc-00000000000000000"

NOT_A_FUNCTION = (
    "This operation is permitted on Lambda functions only. Aliases and versions do not support this operation. Please "
    "specify either a function name or an unqualified function ARN."
)
THERE_IS_NONE = "The resource you requested does not exist."

CONFIGURATION = set(
    "Architectures CodeSha256 CodeSize Description EphemeralStorage FunctionArn FunctionName Handler LastModified "
    "LoggingConfig MemorySize PackageType RevisionId Role Runtime RuntimeVersionConfig SnapStart State Timeout "
    "TracingConfig Version".split()
)
UPDATED = CONFIGURATION | {"LastUpdateStatus", "LastUpdateStatusReason", "LastUpdateStatusReasonCode"}
SETTLED = CONFIGURATION | {"LastUpdateStatus"}
ALIAS = {"AliasArn", "Name", "FunctionVersion", "Description", "RevisionId"}
EVENT = {"LastModified", "FunctionArn", "MaximumRetryAttempts", "DestinationConfig"}
URL = {"FunctionUrl", "FunctionArn", "AuthType", "CreationTime", "InvokeMode"}


def named(name=None, **options):
    return {"FunctionName": name, **options}


# What is asked of the function with version 1 and alias `live`; `None` stands for its name. In the order in which they
# run: what one makes the next reads, and the last takes away.
WORKS = [
    ("GetFunction", named(), {"Configuration", "Code", "Tags"}),
    ("GetFunctionConfiguration", named(), SETTLED),
    ("UpdateFunctionConfiguration", named(Description="d"), UPDATED),
    ("UpdateFunctionCode", named(ZipFile=probe_zip("two")), UPDATED),
    ("PublishVersion", named(), SETTLED),
    ("ListVersionsByFunction", named(), {"Versions"}),
    ("GetAlias", named(Name="live"), ALIAS),
    ("UpdateAlias", named(Name="live", Description="d"), ALIAS),
    ("ListAliases", named(), {"Aliases"}),
    ("GetFunctionConcurrency", named(), set()),
    ("PutFunctionConcurrency", named(ReservedConcurrentExecutions=1), {"ReservedConcurrentExecutions"}),
    ("GetFunctionConcurrency", named(), {"ReservedConcurrentExecutions"}),
    ("DeleteFunctionConcurrency", named(), set()),
    ("PutFunctionEventInvokeConfig", named(MaximumRetryAttempts=1), EVENT),
    ("UpdateFunctionEventInvokeConfig", named(MaximumEventAgeInSeconds=60), EVENT | {"MaximumEventAgeInSeconds"}),
    ("GetFunctionEventInvokeConfig", named(), EVENT | {"MaximumEventAgeInSeconds"}),
    ("ListFunctionEventInvokeConfigs", named(), {"FunctionEventInvokeConfigs"}),
    ("DeleteFunctionEventInvokeConfig", named(), set()),
    ("CreateFunctionUrlConfig", named(AuthType="NONE"), URL - {"InvokeMode"}),
    ("GetFunctionUrlConfig", named(), URL | {"LastModifiedTime"}),
    ("UpdateFunctionUrlConfig", named(AuthType="AWS_IAM"), URL | {"LastModifiedTime"}),
    ("ListFunctionUrlConfigs", named(), {"FunctionUrlConfigs"}),
    ("DeleteFunctionUrlConfig", named(), set()),
    ("AddPermission", named(StatementId="s", Action="lambda:InvokeFunction", Principal="*"), {"Statement"}),
    ("GetPolicy", named(), {"Policy", "RevisionId"}),
    ("RemovePermission", named(StatementId="s"), set()),
    ("GetFunctionCodeSigningConfig", named(), {"FunctionName"}),
    ("GetFunctionRecursionConfig", named(), {"RecursiveLoop"}),
    ("PutFunctionRecursionConfig", named(RecursiveLoop="Allow"), {"RecursiveLoop"}),
    ("GetRuntimeManagementConfig", named(), {"UpdateRuntimeOn", "FunctionArn"}),
    ("ListProvisionedConcurrencyConfigs", named(), {"ProvisionedConcurrencyConfigs"}),
    ("DeleteAlias", named(Name="live"), set()),
    ("DeleteFunction", named(), {"StatusCode"}),
]

# Operation, parameters, status, code, message; `{arn}` is the ARN of what was named.
FAILS = [
    ("GetFunction", named(ABSENT), 404, NOT_FOUND, "Function not found: {arn}"),
    ("GetFunctionConfiguration", named(ABSENT), 404, NOT_FOUND, "Function not found: {arn}"),
    ("UpdateFunctionConfiguration", named(ABSENT), 404, NOT_FOUND, "Function not found: {arn}"),
    ("UpdateFunctionCode", named(ABSENT, ZipFile=probe_zip()), 404, NOT_FOUND, "Function not found: {arn}"),
    ("PublishVersion", named(ABSENT), 404, NOT_FOUND, "Function not found: {arn}"),
    ("DeleteFunction", named(ABSENT), 404, NOT_FOUND, "Function not found: {arn}"),
    ("ListVersionsByFunction", named(ABSENT), 404, NOT_FOUND, "Function not found: {arn}"),
    ("ListAliases", named(ABSENT), 404, NOT_FOUND, "Function not found: {arn}"),
    ("CreateAlias", named(ABSENT, Name="a", FunctionVersion="1"), 404, NOT_FOUND, "Function not found: {arn}"),
    ("GetFunctionConcurrency", named(ABSENT), 404, NOT_FOUND, "Function not found: {arn}"),
    ("GetFunctionCodeSigningConfig", named(ABSENT), 404, NOT_FOUND, "Function not found: {arn}"),
    ("Invoke", named(ABSENT), 404, NOT_FOUND, "Function not found: {arn}:$LATEST"),
    ("Invoke", named(Qualifier="9"), 404, NOT_FOUND, "Function not found: {arn}:9"),
    ("GetFunction", named(Qualifier="9"), 404, NOT_FOUND, "Function not found: {arn}:9"),
    ("GetFunction", named(Qualifier="none"), 404, NOT_FOUND, "Function not found: {arn}:none"),
    ("GetAlias", named(Name="none"), 404, NOT_FOUND, "Cannot find alias arn: {arn}:none"),
    ("UpdateAlias", named(Name="none"), 404, NOT_FOUND, "Alias not found: {arn}:none"),
    ("GetPolicy", named(ABSENT), 404, NOT_FOUND, "Function not found: {arn}"),
    ("GetPolicy", named(), 404, NOT_FOUND, THERE_IS_NONE),
    ("RemovePermission", named(ABSENT, StatementId="s"), 404, NOT_FOUND, "No policy found for: {arn}"),
    ("RemovePermission", named(StatementId="s"), 404, NOT_FOUND, "No policy is associated with the given resource."),
    ("GetFunctionUrlConfig", named(), 404, NOT_FOUND, THERE_IS_NONE),
    ("UpdateFunctionUrlConfig", named(AuthType="NONE"), 404, NOT_FOUND, THERE_IS_NONE),
    ("DeleteFunctionUrlConfig", named(), 404, NOT_FOUND, THERE_IS_NONE),
    ("ListFunctionUrlConfigs", named(ABSENT), 404, NOT_FOUND, "Function does not exist"),
    ("PutFunctionEventInvokeConfig", named(ABSENT, MaximumRetryAttempts=1), 404, NOT_FOUND, "The function doesn't exist."),
    (
        "GetFunctionEventInvokeConfig", named(), 404, NOT_FOUND,
        "The function {arn}:$LATEST doesn't have an EventInvokeConfig",
    ),
    (
        "DeleteFunctionEventInvokeConfig", named(), 404, NOT_FOUND,
        "The function {arn}:$LATEST doesn't have an EventInvokeConfig",
    ),
    (
        "GetProvisionedConcurrencyConfig", named(Qualifier="live"), 404, "ProvisionedConcurrencyConfigNotFoundException",
        "No Provisioned Concurrency Config found for this function",
    ),
    (
        "GetCodeSigningConfig", {"CodeSigningConfigArn": SIGNING}, 404, NOT_FOUND,
        f"The Lambda code signing configuration {SIGNING} can not be found.",
    ),
    (
        "PutFunctionCodeSigningConfig", named(CodeSigningConfigArn=SIGNING), 404, "CodeSigningConfigNotFoundException",
        "The code signing configuration cannot be found. Check that the provided configuration is not deleted: "
        f"{SIGNING}.",
    ),
    ("GetEventSourceMapping", {"UUID": WRONG}, 404, NOT_FOUND, "The resource you requested does not exist."),
    ("GetLayerVersion", {"LayerName": "none", "VersionNumber": 1}, 404, NOT_FOUND,
     "Layer version arn:aws:lambda:us-east-1:000000000000:layer:none:1 does not exist."),
    ("CreateAlias", named(Name="live", FunctionVersion="1"), 409, CONFLICT, "Alias already exists: {arn}:live"),
    (
        "CreateFunction",
        named(Runtime="python3.13", Handler="h.h", Role=ROLE, Code={"ZipFile": probe_zip()}), 409, CONFLICT,
        "Function already exist: {name}",
    ),
    ("UpdateFunctionConfiguration", named(RevisionId=WRONG), 412, PRECONDITION, STALE.format("GetFunction/GetAlias")),
    ("UpdateFunctionCode", named(RevisionId=WRONG, ZipFile=probe_zip()), 412, PRECONDITION,
     STALE.format("GetFunction/GetAlias")),
    ("PublishVersion", named(RevisionId=WRONG), 412, PRECONDITION, STALE.format("GetFunction/GetAlias")),
    ("UpdateAlias", named(Name="live", RevisionId=WRONG), 412, PRECONDITION, STALE.format("GetFunction/GetAlias")),
    ("PutFunctionConcurrency", named("{name}:live", ReservedConcurrentExecutions=1), 400, PARAMETER, NOT_A_FUNCTION),
    ("DeleteFunctionConcurrency", named("{name}:1"), 400, PARAMETER, NOT_A_FUNCTION),
    ("DeleteFunction", named(Qualifier="$LATEST"), 400, PARAMETER,
     "$LATEST version cannot be deleted without deleting the function."),
    ("DeleteFunction", named(Qualifier="live"), 400, PARAMETER, "Deletion of aliases is not currently supported."),
    ("GetFunction", named("{name}:1", Qualifier="live"), 400, PARAMETER,
     "The derived qualifier from the function name does not match the specified qualifier."),
    ("UpdateFunctionCode", named(ImageUri="x"), 400, PARAMETER,
     "Please don't provide ImageUri when updating a function with packageType Zip."),
    ("UpdateFunctionCode", named(ZipFile=b"none"), 400, PARAMETER,
     "Could not unzip uploaded file. Please check your file, then try to upload again."),
    ("TagResource", {"Resource": "{arn}:live", "Tags": {"k": "v"}}, 400, PARAMETER,
     "Tags on function aliases and versions are not supported. Please specify a function ARN."),
]

@pytest.fixture(scope="module")
def function(lambda_, python):
    name = unique("table")
    options = {"Runtime": python, "Handler": "lambda_function.lambda_handler", "Role": ROLE}
    lambda_.create_function(FunctionName=name, Code={"ZipFile": probe_zip()}, Publish=True, **options)
    until_active(lambda_, name)
    lambda_.create_alias(FunctionName=name, Name="live", FunctionVersion="1")
    yield name
    lambda_.delete_function(FunctionName=name)


def filled(parameters, name):
    def fill(value):
        return value.replace("{name}", name).replace("{arn}", arn(name)) if isinstance(value, str) else value

    given = {key: fill(value) for key, value in parameters.items()}
    return {key: name if key == "FunctionName" and value is None else value for key, value in given.items()}


@pytest.mark.parametrize(
    ("operation", "parameters", "status", "code", "message"), FAILS,
    ids=[f"{row[0]}-{row[3]}-{number}" for number, row in enumerate(FAILS)],
)
def test_an_error_is_awss(lambda_, function, operation, parameters, status, code, message):
    given = filled(parameters, function)
    error = refused(lambda_._make_api_call, operation_name=operation, api_params=given)
    name = given.get("FunctionName", function).split(":")[0]
    assert (error.status, error.code) == (status, code), error
    assert error.message == message.replace("{arn}", arn(name)).replace("{name}", name)
    model = botocore.session.get_session().get_service_model("lambda").operation_model(operation)
    assert code in [shape.name for shape in model.error_shapes], "an error that the operation has"


def test_what_works_answers_exactly_its_members(lambda_, make):
    name = make.create("members", Publish=True, Tags={"k": "v"})
    lambda_.create_alias(FunctionName=name, Name="live", FunctionVersion="1")
    wrong = []
    for operation, parameters, members in WORKS:
        answer = lambda_._make_api_call(operation, filled(parameters, name))
        answer.pop("ResponseMetadata")
        if set(answer) != members:
            wrong.append((operation, set(answer) - members, members - set(answer)))
        if operation.startswith("UpdateFunction") and operation.endswith(("Code", "Configuration")):
            until_active(lambda_, name)
    assert not wrong, "operation, too many, too few"


def test_every_operation_of_functions_is_in_the_tables():
    """Those that are not are named, so that a new one is not forgotten."""
    model = botocore.session.get_session().get_service_model("lambda")
    takes_a_name = {
        name for name in model.operation_names
        if model.operation_model(name).input_shape and "FunctionName" in model.operation_model(name).input_shape.members
    }
    elsewhere = {
        # test_event_source_mappings.py, test_code_signing.py, test_shown_only.py, test_streaming and their kin.
        "CreateEventSourceMapping", "ListEventSourceMappings", "UpdateEventSourceMapping",
        "DeleteFunctionCodeSigningConfig", "PutRuntimeManagementConfig", "InvokeAsync", "InvokeWithResponseStream",
        "PutProvisionedConcurrencyConfig", "DeleteProvisionedConcurrencyConfig",
        # Refused.
        "GetFunctionScalingConfig", "PutFunctionScalingConfig", "ListDurableExecutionsByFunction",
    }
    tried = {row[0] for row in WORKS + FAILS}
    assert takes_a_name - tried == elsewhere


def test_every_error_of_an_operation_is_caused_or_excused():
    """Of the operations in the tables each has the error for what is not there, where its model has it."""
    model = botocore.session.get_session().get_service_model("lambda")
    caused = {(row[0], row[3]) for row in FAILS}
    missing = []
    for operation in sorted({row[0] for row in FAILS}):
        for shape in model.operation_model(operation).error_shapes:
            if shape.name == NOT_FOUND and (operation, NOT_FOUND) not in caused:
                missing.append(operation)
    # Creation looks for nothing; these three are asked of what is there in test_concurrency.py and test_layers.py.
    assert set(missing) <= {
        "CreateFunction", "PutFunctionConcurrency", "DeleteFunctionConcurrency", "GetProvisionedConcurrencyConfig",
        "PutFunctionCodeSigningConfig", "TagResource",
    }, missing
