"""Requests at, below and above the bounds of the service's model, as botocore has it: what the API Reference says of each
parameter."""

import dataclasses
import re

import botocore.session

REGION_ACCOUNT = "us-east-1:000000000000"
# Something for every pattern that a required member has.
SAMPLES = [
    "absent",
    "00000000-0000-4000-8000-000000000000",
    "1",
    "*",
    "$LATEST",
    "2015-03-31",
    "lambda:InvokeFunction",
    "lambda:GetLayerVersion",
    "arn:aws:iam::000000000000:role/r",
    f"arn:aws:lambda:{REGION_ACCOUNT}:function:absent",
    f"arn:aws:lambda:{REGION_ACCOUNT}:layer:absent:1",
    f"arn:aws:lambda:{REGION_ACCOUNT}:code-signing-config:csc-00000000000000000",
    f"arn:aws:lambda:{REGION_ACCOUNT}:function:absent:1/durable-execution/n/i",
    f"arn:aws:signer:{REGION_ACCOUNT}:/signing-profiles/p/abcdefghij",
    f"arn:aws:elasticfilesystem:{REGION_ACCOUNT}:access-point/fsap-00000000000000000",
    f"arn:aws:lambda:{REGION_ACCOUNT}:capacity-provider:absent",
    "/mnt/x",
    "subnet-00000000",
    "sg-00000000",
    "ABCDEFGH",
    "{}",
]
# Deeper than any structure whose bounds matter.
DEPTH = 3


@dataclasses.dataclass(frozen=True)
class Case:
    """One request, and what has to be said about it; `None` where nothing may."""

    operation: str
    path: str
    what: str
    parameters: dict = dataclasses.field(compare=False)
    constraint: str | None

    def __str__(self):
        return f"{self.operation}-{self.path}-{self.what}"


class Unknown(Exception):
    """A value that the samples do not have."""


def model():
    return botocore.session.get_session().get_service_model("lambda", "2015-03-31")


def lower(name):
    """A member's name in validation messages."""
    return name[0].lower() + name[1:]


def value(shape, depth=0):
    """Something valid."""
    kind = shape.type_name
    if kind == "structure":
        return {name: value(shape.members[name], depth + 1) for name in shape.required_members}
    if kind == "list":
        return [value(shape.member, depth + 1)] * max(1, shape.metadata.get("min", 0))
    if kind == "map":
        return {value(shape.key, depth + 1): value(shape.value, depth + 1)}
    if kind == "string":
        return text(shape)
    if kind in ("integer", "long"):
        return max(1, shape.metadata.get("min", 1))
    return {"boolean": True, "blob": b"x", "double": 0.5, "float": 0.5, "timestamp": 1}[kind]


def matches(pattern, sample):
    """Whether a pattern of the service's dialect, Java's, takes a text of ASCII."""
    for java, python in ((r"\p{L}", "a-zA-Z"), (r"\p{Z}", " "), (r"\p{N}", "0-9")):
        pattern = pattern.replace(java, python)
    return re.fullmatch(pattern, sample)


def text(shape):
    if shape.enum:
        return shape.enum[0]
    least, most, pattern = (shape.metadata.get(key) for key in ("min", "max", "pattern"))
    for sample in SAMPLES:
        long_enough = len(sample) >= (least or 0) and (most is None or len(sample) <= most)
        if long_enough and (pattern is None or matches(pattern, sample)):
            return sample
    raise Unknown(f"{shape.name}: {pattern}")


def violations(shape):
    """Values outside of a shape's bounds, with the constraint that says so; and values on them, with `None`."""
    kind, least, most = shape.type_name, shape.metadata.get("min"), shape.metadata.get("max")
    if kind in ("integer", "long"):
        if least is not None:
            yield "below", least - 1, f"Member must have value greater than or equal to {least}"
            yield "least", least, None
        if most is not None and most < 2**31 - 1:
            yield "above", most + 1, f"Member must have value less than or equal to {most}"
            yield "most", most, None
    elif kind == "string":
        if shape.enum:
            yield "enum", "NoSuchValue", "Member must satisfy enum value set: ["
            return
        if least:
            yield "short", "a" * (least - 1), f"Member must have length greater than or equal to {least}"
        # Longer ones do not fit into a request.
        if most and most <= 100_000:
            yield "long", "a" * (most + 1), f"Member must have length less than or equal to {most}"
            yield "longest", "a" * most, None
        pattern = shape.metadata.get("pattern")
        if pattern and not matches(pattern, "\u00e9 !"):
            yield "pattern", "\u00e9 !", f"Member must satisfy regular expression pattern: {pattern}"
    elif kind == "list":
        item = value(shape.member)
        if least:
            yield "few", [item] * (least - 1), f"Member must have length greater than or equal to {least}"
        if most is not None and most <= 2000:
            yield "many", [item] * (most + 1), f"Member must have length less than or equal to {most}"


def cases():
    """All of them, and the operations that the samples have no valid request for."""
    found, unknown = [], {}
    service = model()
    for name in service.operation_names:
        shape = service.operation_model(name).input_shape
        if shape is None:
            continue
        try:
            base = value(shape)
        except Unknown as error:
            unknown[name] = str(error)
            continue
        found += of_structure(name, shape, base, [], base)
    return found, unknown


def of_structure(operation, shape, base, prefix, whole):
    for name, member in shape.members.items():
        # A payload that is missing is an empty one.
        in_body = "location" not in member.serialization and shape.serialization.get("payload") != name
        path = ".".join(lower(part) for part in [*prefix, name])

        def request(changed, remove=False, prefix=prefix, name=name):
            return replaced(whole, [*prefix, name], changed, remove)

        if name in shape.required_members and in_body:
            yield Case(operation, path, "missing", request(None, remove=True), "Member must not be null")
        try:
            for what, changed, constraint in violations(member):
                # An empty label would make another path of it, and an empty list is nothing in a query.
                if in_body or (changed and member.serialization.get("location") in ("querystring", "uri")):
                    yield Case(operation, path, what, request(changed), constraint)
            if member.type_name == "structure" and len(prefix) < DEPTH and in_body:
                inner = value(member)
                yield from of_structure(
                    operation, member, inner, [*prefix, name], replaced(whole, [*prefix, name], inner)
                )
        except Unknown:
            # A list of what the samples do not have.
            continue


def replaced(whole, path, changed, remove=False):
    """A copy with another value at a path."""
    copy = dict(whole)
    if len(path) > 1:
        copy[path[0]] = replaced(copy.get(path[0]) or {}, path[1:], changed, remove)
    elif remove:
        copy.pop(path[0], None)
    else:
        copy[path[0]] = changed
    return copy
