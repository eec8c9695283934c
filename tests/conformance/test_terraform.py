"""Terraform with its provider for AWS: what is applied is what is planned, a change is one change, and nothing is left.

The provider is in no package manager; it is taken from a mirror in the file system."""

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from support.errors import refused
from support.functions import probe_zip, source
from support.packages import pack

MODULE = Path(__file__).parent / "terraform"
NOTHING, CHANGES = 0, 2
PROVIDER = "registry.terraform.io/hashicorp/aws"


def mirror():
    """A folder with the provider: one that is named, or where Terraform looks by itself (its documentation, "CLI
    configuration file", "Implied local mirror directories"), or where else a machine may have been given one."""
    implied = ["~/.terraform.d/plugins", "~/.local/share/terraform/plugins", "/usr/local/share/terraform/plugins",
               "/usr/share/terraform/plugins"]
    named = os.environ.get("LAMBENT_TEST_TERRAFORM_MIRROR")
    folders = [Path(named)] if named else [Path(folder).expanduser() for folder in implied]
    folders += [] if named else sorted(Path("/opt").glob("*"))
    return next((folder for folder in folders if (folder / PROVIDER).is_dir()), None)


pytestmark = [
    pytest.mark.skipif(shutil.which("terraform") is None, reason="there is no terraform"),
    pytest.mark.skipif(
        mirror() is None,
        reason=f"no mirror has the provider {PROVIDER}: LAMBENT_TEST_TERRAFORM_MIRROR names one",
    ),
]


class Terraform:
    """Terraform in a folder with one module, against one server."""

    def __init__(self, folder, module, url):
        self.folder = folder
        shutil.copy(MODULE / module, folder)
        (folder / "function.zip").write_bytes(probe_zip())
        shell = {name: (source(f"shell/{name}"), 0o755) for name in ("bootstrap", "function.sh")}
        (folder / "published.zip").write_bytes(pack(shell))
        (folder / "layer.zip").write_bytes(pack({"python/layer.py": "VALUE = 1\n"}))
        settings = folder / "terraform.rc"
        # Terraform asks no registry.
        settings.write_text(f'provider_installation {{\n  filesystem_mirror {{ path = "{mirror()}" }}\n}}\n')
        self.environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(folder),
            "CHECKPOINT_DISABLE": "1",
            "TF_CLI_CONFIG_FILE": str(settings),
            "TF_IN_AUTOMATION": "1",
            "TF_VAR_endpoint": url,
            "TF_VAR_package": str(folder / "function.zip"),
            "TF_VAR_package_of_version": str(folder / "published.zip"),
            "TF_VAR_layer": str(folder / "layer.zip"),
            "TF_VAR_changed": "false",
        }
        self.run("init", "-input=false")

    def run(self, *words, expected=(0,)):
        done = subprocess.run(
            ["terraform", *words, "-no-color"],
            cwd=self.folder, env=self.environment, capture_output=True, text=True, timeout=300, check=False,
        )
        assert done.returncode in expected, f"{words}: {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done

    def apply(self, changed=False):
        self.environment["TF_VAR_changed"] = "true" if changed else "false"
        self.run("apply", "-auto-approve", "-input=false")

    def planned(self):
        """Whether there is anything to do, and the plan."""
        done = self.run("plan", "-detailed-exitcode", "-input=false", expected=(NOTHING, CHANGES))
        return done.returncode, done.stdout

    def output(self, name):
        return json.loads(self.run("output", "-json").stdout)[name]["value"]

    def destroy(self):
        self.run("destroy", "-auto-approve", "-input=false")


@pytest.fixture
def terraform(home, server):
    made = []

    def start(module):
        made.append(Terraform(home, module, server.url))
        return made[-1]

    yield start
    for each in made:
        each.destroy()


def test_a_stack_of_everything(terraform, clients, lambda_, logs):
    iam = clients.boto("iam")
    stack = terraform("main.tf")
    stack.apply()
    assert stack.planned()[0] == NOTHING, stack.planned()[1]
    assert stack.output("account") == "000000000000"
    arn = "arn:aws:lambda:us-east-1:000000000000:function:tf-function"
    published = arn.replace("tf-function", "tf-published")
    assert (stack.output("qualified"), stack.output("read")) == (f"{published}:1", arn)
    assert "lambda-url.us-east-1" in stack.output("url") and json.loads(stack.output("result"))
    first = lambda_.get_function(FunctionName="tf-function")
    assert first["Configuration"]["Role"] == iam.get_role(RoleName="tf-function")["Role"]["Arn"]
    assert (first["Tags"], first["Concurrency"]) == ({"stage": "first"}, {"ReservedConcurrentExecutions": 3})

    stack.environment["TF_VAR_changed"] = "true"
    code, plan = stack.planned()
    assert code == CHANGES and "0 to destroy" not in plan, "the permission is made anew"
    (stack.folder / "function.zip").write_bytes(probe_zip("another"))
    stack.apply(changed=True)
    assert stack.planned()[0] == NOTHING, stack.planned()[1]
    second = lambda_.get_function(FunctionName="tf-function")
    assert (second["Configuration"]["MemorySize"], second["Tags"]) == (256, {"stage": "second"})
    assert second["Configuration"]["CodeSha256"] != first["Configuration"]["CodeSha256"]
    alias = lambda_.get_alias(FunctionName="tf-published", Name="live")
    assert (alias["FunctionVersion"], alias["Description"]) == ("1", "changed")
    role = iam.get_role(RoleName="tf-function")["Role"]
    assert (role["Description"], role["MaxSessionDuration"]) == ("changed", 7200)

    stack.destroy()
    assert refused(lambda_.get_function, FunctionName="tf-function").status == 404
    assert refused(iam.get_role, RoleName="tf-function").code == "NoSuchEntity"
    assert iam.list_policies(Scope="Local", PathPrefix="/")["Policies"] == []
    assert logs.describe_log_groups(logGroupNamePrefix="/aws/lambda/tf-function")["logGroups"] == []
    assert lambda_.list_layer_versions(LayerName="tf-layer")["LayerVersions"] == []
    assert lambda_.list_event_source_mappings(FunctionName="tf-function")["EventSourceMappings"] == []


def test_a_stack_of_rules_and_schedules(terraform, clients):
    events, scheduler = clients.boto("events"), clients.boto("scheduler")
    stack = terraform("events.tf")
    stack.apply()
    assert stack.planned()[0] == NOTHING, stack.planned()[1]
    assert [one["Name"] for one in events.list_rules(EventBusName="orders")["Rules"]] == ["paid"]
    assert scheduler.get_schedule(Name="daily", GroupName="shop")["State"] == "ENABLED"
    stack.apply(changed=True)
    assert stack.planned()[0] == NOTHING, stack.planned()[1]
    assert events.describe_rule(Name="hourly")["ScheduleExpression"] == "rate(2 hours)"
    assert scheduler.get_schedule(Name="daily", GroupName="shop")["State"] == "DISABLED"
    stack.destroy()
    assert refused(events.describe_event_bus, Name="orders").code == "ResourceNotFoundException"
    assert refused(scheduler.get_schedule_group, Name="shop").code == "ResourceNotFoundException"


def test_a_stack_of_events(terraform, clients, lambda_):
    """What triggers functions and takes their results, with two functions, and that it is wired as it says."""
    stack = terraform("sources.tf")
    stack.apply()
    assert stack.planned()[0] == NOTHING, stack.planned()[1]
    sqs, s3 = clients.boto("sqs"), clients.boto("s3", s3={"addressing_style": "path"})

    stack.apply(changed=True)
    assert stack.planned()[0] == NOTHING, stack.planned()[1]
    attributes = sqs.get_queue_attributes(QueueUrl=stack.output("queue"), AttributeNames=["All"])["Attributes"]
    assert attributes["VisibilityTimeout"] == "120"
    mapping = lambda_.list_event_source_mappings(FunctionName="tfe-consumer")["EventSourceMappings"][0]
    assert mapping["BatchSize"] == 20

    # A bucket with versions is only empty when they are gone.
    for version in s3.list_object_versions(Bucket="tfe-files").get("Versions", []):
        if version["Key"] != "code/function.zip":
            s3.delete_object(Bucket="tfe-files", Key=version["Key"], VersionId=version["VersionId"])
    stack.destroy()
    assert refused(lambda_.get_function, FunctionName="tfe-pushed").status == 404
    assert sqs.list_queues(QueueNamePrefix="tfe-").get("QueueUrls", []) == []
    assert not [topic for topic in clients.boto("sns").list_topics()["Topics"] if "tfe-" in topic["TopicArn"]]
    assert clients.boto("events").list_event_buses(NamePrefix="tfe-")["EventBuses"] == []
    assert clients.boto("scheduler").list_schedules(NamePrefix="tfe-")["Schedules"] == []
    assert not [bucket for bucket in s3.list_buckets()["Buckets"] if bucket["Name"].startswith("tfe-")]
