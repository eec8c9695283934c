"""The clients of Ruby and Java that tests run: as Lambent starts them, and AWS's own beside them."""

import json
import os
import re
import shutil
import subprocess
from functools import lru_cache
from pathlib import Path

import fetch
from harness import CLIENTS, Client

HERE = Path(__file__).resolve().parent
REPOSITORY = HERE.parent.parent
REFERENCE_RUBY_GEM = "aws_lambda_ric"


_TIMES = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z?")


def observable(run):
    """All that the platform and the reader of the log see of a run, without times and the folder of the function."""

    def plain(text):
        return _TIMES.sub("TIME", text.replace(str(run.task), "/var/task"))

    posts = [request for request in run.requests if request.method == "POST"]
    return {
        "posts": [
            {
                "kind": post.kind,
                "body": plain(post.body.decode()),
                "content type": post.headers.get("content-type"),
                "error type": post.headers.get("lambda-runtime-function-error-type"),
                "cause": plain(post.headers.get("lambda-runtime-function-xray-error-cause", "")),
            }
            for post in posts
        ],
        "log": [(hex(frame.type), plain(frame.message)) for frame in run.frames],
        "stdout": plain(run.stdout),
        "stderr": plain(run.stderr),
        "waited": run.waited,
        "exit code": run.exit_code,
    }


def rubies():
    """The ruby on PATH and those that LAMBENT_TEST_RUBIES names (paths, separated by colons), from 3.2 on."""
    found = {}
    for path in [shutil.which("ruby"), *os.environ.get("LAMBENT_TEST_RUBIES", "").split(":")]:
        if path:
            version = subprocess.run([path, "--version"], capture_output=True, text=True, check=True).stdout
            numbers = re.match(r"ruby (\d+)\.(\d+)\.", version)
            if numbers and (int(numbers[1]), int(numbers[2])) >= (3, 2):
                found.setdefault("{}.{}".format(*numbers.groups()), path)
    return found


def lambent_ruby(ruby):
    return Client("lambent-ruby", [ruby, str(CLIENTS / "ruby" / "bootstrap.rb")], {})


@lru_cache(maxsize=None)
def official_ruby(ruby):
    """AWS's client, as a gem in a folder of its own, or None where rubygems.org was out of reach."""

    def fill(folder):
        install = ["install", "--silent", "--no-document", "--install-dir", str(folder), REFERENCE_RUBY_GEM]
        return fetch.succeeds(str(Path(ruby).with_name("gem")), *install)

    gems = fetch.once(fetch.CACHE / "ruby-{}".format(REFERENCE_RUBY_GEM), fill)
    if gems is None:
        return None
    found = sorted(gems.glob("gems/{}-*/lib/aws_lambda_ric.rb".format(REFERENCE_RUBY_GEM)))
    start = "AwsLambdaRIC::Bootstrap.new.start"
    return Client("official-ruby", [ruby, "-r", str(found[-1]), "-e", start], {}, official=True)


@lru_cache(maxsize=None)
def javas():
    """AWS's Java client started as Lambent starts it, and plainly; or a text that says why not."""
    if not shutil.which("javac") or not shutil.which("cargo"):
        return "javac and cargo are needed, and one of them is not on PATH"
    version = subprocess.run(["javac", "-version"], capture_output=True, text=True, check=True).stdout
    runtime = "java" + re.search(r"(\d+)", version)[1]
    command = ["cargo", "run", "--quiet", "--package", "lambent-runtimes", "--example", "command_line", "--"]
    command += [str(fetch.CACHE / "java"), runtime, "512", "HANDLER"]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        return "AWS's Java client cannot be had: {}".format(done.stderr.strip().splitlines()[-1:])
    argv = json.loads(done.stdout)[:-1]
    path = argv[argv.index("-classpath") + 1]
    plain = [argv[0], "--add-opens=java.base/java.io=ALL-UNNAMED", "-classpath", path, argv[-1]]
    return (
        Client("lambent-java", argv, {}, handler_argument=True),
        Client("plain-java", plain, {}, handler_argument=True, official=True),
    )


def compile_java(java, source, folder):
    """Compiles one file against AWS's jars, and returns the classes as the files of a package."""
    path = java.argv[java.argv.index("-classpath") + 1]
    subprocess.run(["javac", "-encoding", "UTF-8", "-cp", path, "-d", str(folder), str(source)], check=True)
    return {str(file.relative_to(folder)): file.read_bytes() for file in folder.rglob("*.class")}
