"""Many clients that change the same things at once: each is answered by success, 409 or 412, and no change is lost (API
Reference: the errors of each operation)."""

import collections
import concurrent.futures
import threading

import pytest
from botocore.exceptions import ClientError

from support.functions import ROLE, arn, probe_zip, unique, until_active

CLIENTS = 16
REFUSALS = {(409, "ResourceConflictException"), (412, "PreconditionFailedException")}


@pytest.fixture
def together(clients):
    """Runs an action by sixteen clients at once; their answers, and what the refused ones were told."""
    client = clients.boto("lambda")

    def run(action, rounds=1):
        start = threading.Barrier(CLIENTS)

        def one(number):
            done = []
            start.wait()
            for round_ in range(rounds):
                try:
                    done.append(action(client, number, round_))
                except ClientError as error:
                    response = error.response
                    done.append((response["ResponseMetadata"]["HTTPStatusCode"], response["Error"]["Code"]))
            return done

        with concurrent.futures.ThreadPoolExecutor(CLIENTS) as pool:
            answers = [answer for done in pool.map(one, range(CLIENTS)) for answer in done]
        good = [answer for answer in answers if not isinstance(answer, tuple)]
        return good, [answer for answer in answers if isinstance(answer, tuple)]

    return run


def test_of_many_creations_one_succeeds(lambda_, python, together):
    name, code = unique("race"), probe_zip()

    def create(client, number, _):
        return client.create_function(
            FunctionName=name,
            Runtime=python,
            Role=ROLE,
            Handler="lambda_function.lambda_handler",
            Description=str(number),
            Code={"ZipFile": code},
        )

    good, refused = together(create)
    assert len(good) == 1 and set(refused) == {(409, "ResourceConflictException")}
    assert lambda_.get_function_configuration(FunctionName=name)["Description"] == good[0]["Description"]
    deleted, refused = together(lambda client, *_: client.delete_function(FunctionName=name))
    assert len(deleted) == 1 and set(refused) == {(404, "ResourceNotFoundException")}


def test_updates_with_a_revision_lose_none(lambda_, make, together):
    """A counter in an environment variable, raised by compare and swap: what it says is how many were answered."""
    name = make.create("counter", Environment={"Variables": {"COUNT": "0"}})

    def raise_it(client, *_):
        seen = client.get_function_configuration(FunctionName=name)
        count = int(seen["Environment"]["Variables"]["COUNT"]) + 1
        variables = {"Variables": {"COUNT": str(count)}}
        return client.update_function_configuration(
            FunctionName=name, Environment=variables, RevisionId=seen["RevisionId"]
        )

    good, refused = together(raise_it, rounds=12)
    until_active(lambda_, name)
    shown = lambda_.get_function_configuration(FunctionName=name)["Environment"]["Variables"]["COUNT"]
    assert int(shown) == len(good) > 0
    assert set(refused) <= REFUSALS and len(good) + len(refused) == CLIENTS * 12


def test_permissions_and_tags_of_many_are_all_there(lambda_, make, together):
    name = make.create("grants")

    def grant(client, number, round_):
        sid = f"s{number}-{round_}"
        client.add_permission(FunctionName=name, StatementId=sid, Action="lambda:GetFunction", Principal="123456789012")
        client.tag_resource(Resource=arn(name), Tags={f"k{number}": str(round_)})
        return sid

    good, refused = together(grant, rounds=3)
    assert not refused, "neither names a revision, so each is decided on what is there"
    policy = lambda_.get_policy(FunctionName=name)["Policy"]
    assert all(f'"{sid}"' in policy for sid in good)
    assert lambda_.list_tags(Resource=arn(name))["Tags"] == {f"k{number}": "2" for number in range(CLIENTS)}


def test_publishing_aliases_and_deleting_agree(lambda_, make, together):
    name = make.create("versions")
    code = [probe_zip(f"code {number}") for number in range(CLIENTS)]

    def publish(client, number, _):
        client.update_function_code(FunctionName=name, ZipFile=code[number])
        return client.publish_version(FunctionName=name)["Version"]

    good, refused = together(publish, rounds=3)
    until_active(lambda_, name)
    assert set(refused) <= REFUSALS
    # Where each came while another's update was under way, none has published.
    good.append(lambda_.publish_version(FunctionName=name)["Version"])
    listed = [version["Version"] for version in lambda_.list_versions_by_function(FunctionName=name)["Versions"]]
    assert set(good) <= set(listed[1:]) and len(listed) == len(set(listed))
    assert [int(version) for version in listed[1:]] == list(range(1, len(listed))), "numbers without a gap"

    # An alias of a version, or its deletion: never both.
    last = listed[-1]

    def fight(client, number, _):
        if number % 2:
            client.create_alias(FunctionName=name, Name=f"a{number}", FunctionVersion=last)
            return "alias"
        client.delete_function(FunctionName=name, Qualifier=last)
        return "deleted"

    good, refused = together(fight)
    aliases = lambda_.list_aliases(FunctionName=name)["Aliases"]
    there = last in [one["Version"] for one in lambda_.list_versions_by_function(FunctionName=name)["Versions"]]
    counted = collections.Counter(good)
    assert counted["alias"] == len(aliases)
    assert there == bool(aliases), (good, refused)
    assert {status for status, _ in refused} <= {404, 409}


def test_reservations_leave_a_hundred(lambda_, make, together):
    names = [make.create("reserved", active=False) for _ in range(CLIENTS)]
    for name in names:
        until_active(lambda_, name)
    before = lambda_.get_account_settings()["AccountLimit"]["UnreservedConcurrentExecutions"]

    def reserve(client, number, _):
        client.put_function_concurrency(FunctionName=names[number], ReservedConcurrentExecutions=100)
        return number

    good, refused = together(reserve)
    after = lambda_.get_account_settings()["AccountLimit"]["UnreservedConcurrentExecutions"]
    assert (len(good), after) == ((before - 100) // 100, before - 100 * len(good))
    assert {code for _, code in refused} == {"InvalidParameterValueException"}


def test_a_function_deleted_under_its_changes_stays_deleted(lambda_, python, clients, together):
    name, code = unique("gone"), probe_zip()
    lambda_.create_function(
        FunctionName=name, Runtime=python, Role=ROLE, Handler="lambda_function.lambda_handler", Code={"ZipFile": code}
    )
    until_active(lambda_, name)

    def change(client, number, round_):
        if number == 0 and round_ == 4:
            return client.delete_function(FunctionName=name)
        if number % 3 == 0:
            return client.create_alias(FunctionName=name, Name=f"a{number}-{round_}", FunctionVersion="$LATEST")
        if number % 3 == 1:
            return client.update_function_configuration(FunctionName=name, Timeout=number)
        return client.publish_version(FunctionName=name)

    good, refused = together(change, rounds=8)
    assert good and {status for status, _ in refused} <= {404, 409, 412}
    for call in (lambda_.get_function, lambda_.list_aliases, lambda_.list_versions_by_function):
        with pytest.raises(lambda_.exceptions.ResourceNotFoundException):
            call(FunctionName=name)
    # A function of the same name begins anew: nothing of the old one is left.
    lambda_.create_function(
        FunctionName=name, Runtime=python, Role=ROLE, Handler="lambda_function.lambda_handler", Code={"ZipFile": code}
    )
    assert lambda_.list_aliases(FunctionName=name)["Aliases"] == []
    assert len(lambda_.list_versions_by_function(FunctionName=name)["Versions"]) == 1
    lambda_.delete_function(FunctionName=name)
