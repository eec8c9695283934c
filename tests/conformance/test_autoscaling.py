"""Application Auto Scaling of provisioned concurrency (Lambda Developer Guide: "Configuring provisioned concurrency for a
function"; Application Auto Scaling User Guide)."""

import datetime
import threading

import pytest

from support import functions
from support.clients import ACCOUNT, REGION, Clients
from support.errors import refused
from support.functions import ROLE, probe_zip, until_active
from support.server import Server
from support.wait import until

# A minute of a policy is 0.6 s.
SCALE = 0.01
DIMENSION = "lambda:function:ProvisionedConcurrency"
METRIC = "LambdaProvisionedConcurrencyUtilization"


@pytest.fixture(scope="module")
def hasty():
    """A server whose minutes are short, with a function and an alias."""
    server = Server()
    (server.home / "lambent.toml").write_text(f"scaling_time_scale = {SCALE}\n")
    try:
        client = Clients(server.start()).boto("lambda")
        client.create_function(
            FunctionName="scaled",
            Runtime=server.python(),
            Handler="lambda_function.lambda_handler",
            Role=ROLE,
            Code={"ZipFile": probe_zip()},
        )
        until_active(client, "scaled")
        client.publish_version(FunctionName="scaled")
        client.create_alias(FunctionName="scaled", Name="live", FunctionVersion="1")
        yield Clients(server)
    finally:
        server.remove()


def target(qualifier="live", **more):
    return {
        "ServiceNamespace": "lambda",
        "ResourceId": f"function:scaled:{qualifier}",
        "ScalableDimension": DIMENSION,
        **more,
    }


def requested(client, qualifier="live"):
    try:
        config = client.get_provisioned_concurrency_config(FunctionName="scaled", Qualifier=qualifier)
    except client.exceptions.ProvisionedConcurrencyConfigNotFoundException:
        return 0
    return config["RequestedProvisionedConcurrentExecutions"]


def test_utilization_scales_out_and_in_and_a_schedule_sets_bounds(hasty):
    client, scaling = hasty.boto("lambda"), hasty.boto("application-autoscaling")
    arn = scaling.register_scalable_target(**target(MinCapacity=1, MaxCapacity=3))["ScalableTargetARN"]
    assert arn.startswith(f"arn:aws:application-autoscaling:{REGION}:{ACCOUNT}:scalable-target/")
    scaling.put_scaling_policy(
        **target(PolicyName="half", PolicyType="TargetTrackingScaling"),
        TargetTrackingScalingPolicyConfiguration={
            "TargetValue": 0.5,
            "PredefinedMetricSpecification": {"PredefinedMetricType": METRIC},
        },
    )
    until(lambda: requested(client) == 1, "the minimum to be there")
    stop = threading.Event()

    def load():
        own = hasty.boto("lambda")
        while not stop.is_set():
            functions.invoke(own, "scaled", {"do": "sleep", "seconds": 0.3}, Qualifier="live")

    busy = [threading.Thread(target=load) for _ in range(3)]
    [thread.start() for thread in busy]
    try:
        until(lambda: requested(client) == 3, "more of what is in use", timeout=60)
    finally:
        stop.set()
        [thread.join() for thread in busy]
    until(lambda: requested(client) == 1, "less of what is not", timeout=60)
    causes = [activity["Cause"] for activity in activities(scaling)]
    assert any("above the target" in cause for cause in causes) and any("below the target" in cause for cause in causes)
    soon = datetime.datetime.now(datetime.UTC) + datetime.timedelta(seconds=2)
    scaling.put_scheduled_action(
        **target(ScheduledActionName="later", Schedule=f"at({soon:%Y-%m-%dT%H:%M:%S})"),
        ScalableTargetAction={"MinCapacity": 2, "MaxCapacity": 2},
    )
    until(lambda: requested(client) == 2, "the scheduled action", timeout=30)
    shown = scaling.describe_scalable_targets(ServiceNamespace="lambda")["ScalableTargets"][0]
    assert (shown["MinCapacity"], shown["MaxCapacity"]) == (2, 2)
    scaling.deregister_scalable_target(**target())
    assert scaling.describe_scaling_policies(ServiceNamespace="lambda")["ScalingPolicies"] == []
    client.delete_provisioned_concurrency_config(FunctionName="scaled", Qualifier="live")


def test_each_version_and_alias_is_scaled_by_its_own_utilization(hasty):
    client, scaling = hasty.boto("lambda"), hasty.boto("application-autoscaling")
    client.update_function_configuration(FunctionName="scaled", Description="another")
    until_active(client, "scaled")
    version = client.publish_version(FunctionName="scaled")["Version"]
    for qualifier in ("live", version):
        scaling.register_scalable_target(**target(qualifier, MinCapacity=1, MaxCapacity=3))
        scaling.put_scaling_policy(
            **target(qualifier, PolicyName="most", PolicyType="TargetTrackingScaling"),
            TargetTrackingScalingPolicyConfiguration={
                "TargetValue": 0.7,
                "PredefinedMetricSpecification": {"PredefinedMetricType": METRIC},
            },
        )
    until(lambda: requested(client) == requested(client, version) == 1, "the minimum of both to be there")
    stop = threading.Event()

    def load():
        own = hasty.boto("lambda")
        while not stop.is_set():
            functions.invoke(own, "scaled", {"do": "sleep", "seconds": 0.3}, Qualifier=version)

    busy = [threading.Thread(target=load) for _ in range(3)]
    [thread.start() for thread in busy]
    try:
        until(lambda: requested(client, version) == 3, "more of the version that is in use", timeout=60)
        assert requested(client) == 1, "the alias is not"
    finally:
        stop.set()
        [thread.join() for thread in busy]
    for qualifier in ("live", version):
        scaling.deregister_scalable_target(**target(qualifier))
        client.delete_provisioned_concurrency_config(FunctionName="scaled", Qualifier=qualifier)


def activities(scaling):
    found = scaling.describe_scaling_activities(**target())["ScalingActivities"]
    assert all(activity["StatusCode"] == "Successful" for activity in found), found
    return found


def test_what_is_not_lambdas_is_refused(hasty):
    scaling = hasty.boto("application-autoscaling")
    unsupported = "Unsupported service namespace, resource type or scalable dimension"
    other = target(ServiceNamespace="ecs", ScalableDimension="ecs:service:DesiredCount", ResourceId="service/a/b")
    error = refused(scaling.register_scalable_target, **{**other, "MinCapacity": 1, "MaxCapacity": 1})
    assert (error.status, error.code, error.message) == (400, "ValidationException", unsupported)
    error = refused(scaling.deregister_scalable_target, **target())
    assert error.code == "ObjectNotFoundException"
    error = refused(scaling.register_scalable_target, **target(ResourceId="function:none:live", MinCapacity=1, MaxCapacity=1))
    assert error.code == "ValidationException"
