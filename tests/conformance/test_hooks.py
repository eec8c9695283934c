"""What published packages, layers, wrapper scripts and tools rely on, beyond what AWS documents, and where it is tried.

1.  Python starts as two words, an option goes before the last: `test_a_wrapper_script_inserts_options_and_variables`.
2.  `awslambdaricmain` on `__main__`: the same; `packages_python`, `test_sentry`.
3.  `/var/lang/bin/python` and `node`: `test_the_interpreter_is_where_shebangs_of_layers_look`, `test_node_is_where_…`.
4.  A name and a home: `test_the_user_has_a_name_and_a_home`.
5.  `sh` is bash, and curl is there: `test_sh_is_bash`; `test_runtimes`, the function in shell.
6.  Node.js: imports through NODE_PATH, kinds of files, callbacks, streams, deep handlers, `--require`:
    `runtimes/tests`, `test_imports_reach_layers` and the cases in `nodejs_processes.py` and `nodejs/`; `packages_nodejs`.
7.  The environment's variables: `test_sandbox`, `test_the_environment_is_the_documented_one`.
8.  `AWS_ENDPOINT_URL` and the role's credentials: the SDKs' tests of `packages_python` and `packages_nodejs`.
9.  `/opt`, `/var/task`, `/tmp`, not root: `test_layers`, `test_sandbox`.
10. boto3 and the AWS SDK for JavaScript: `test_java`, `lambent runtimes add`.
11. Wrappers in layers; libraries that look for an extension: `test_a_wrapper_may_be_in_a_layer`,
    `test_who_looks_for_extensions_is_told_at_once`; `test_datadog` of both folders of packages.
12. What is started outlives who asked for it: `test_an_environment_outlives_the_connection_that_started_it`.
13. The request id of the answer: `test_runtimes`, `test_a_function_of_each_kind_lives`.
14. Paths of function URLs and their preludes: `test_served_urls`, `test_streaming_urls`; `packages_nodejs`, `test_hono_streams`.
15. Region and account from the signature: `test_wire`, `test_roles`.
16. `Code.Location`: `test_life`.
17. Reads of what is not configured: `test_validation`, `test_function_settings`.
"""

import json
import textwrap

import pytest

from support.clients import Clients
from support.functions import unique
from support.functions import invoke as invoke_with
from support.packages import pack

pytestmark = pytest.mark.namespaces


def run(invoke, name, command):
    shown = invoke(name, {"do": "run", "command": textwrap.dedent(command)}).ok
    assert shown["out"], shown
    return shown["out"].strip()


def test_the_interpreter_is_where_shebangs_of_layers_look(invoke, probe, python):
    command = """
        printf '#!/var/lang/bin/python\\nimport sys\\nprint(*sys.version_info[:2], sys.executable)\\n' > /tmp/tool
        chmod +x /tmp/tool
        /tmp/tool
    """
    major, minor, executable = run(invoke, probe, command).split()
    assert f"{major}.{minor}" == python.removeprefix("python")
    assert executable.startswith("/var/lang/bin/python")


def test_the_user_has_a_name_and_a_home(invoke, probe):
    command = """
        python3 - <<'END'
        import getpass, os, pathlib, pwd
        home = pathlib.Path.home()
        print(pwd.getpwuid(os.getuid()).pw_name, os.path.expanduser("~") == str(home), home.is_dir(), os.getuid() != 0)
        END
    """
    assert run(invoke, probe, command) == "sbx_user1051 True True True"


def test_sh_is_bash(invoke, probe):
    # AWS's tutorial for custom runtimes begins with `#!/bin/sh` and `set -euo pipefail`, and sources the handler.
    command = """
        printf 'greet() { echo "hello $1"; }\\n' > /tmp/handler.sh
        printf '#!/bin/sh\\nset -euo pipefail\\nsource /tmp/handler.sh\\ngreet "${BASH_VERSION%%%%.*}"\\n' > /tmp/script
        sh /tmp/script
    """
    greeting, version = run(invoke, probe, command).split()
    assert greeting == "hello" and int(version) >= 4


# The Developer Guide's own example, "Modifying the runtime environment": the last word stays last.
WRAPPER = """#!/bin/bash
args=("$@")
extra_args=("-X" "faulthandler")
args=("${args[@]:0:$#-1}" "${extra_args[@]}" "${args[@]: -1}")
export WRAPPED=yes
exec "${args[@]}"
"""

HANDLER = """import os, sys
def handler(event, context):
    return {"wrapped": os.environ.get("WRAPPED"), "options": list(sys._xoptions), "main": hasattr(
        sys.modules["__main__"], "awslambdaricmain")}
"""


def test_a_wrapper_script_inserts_options_and_variables(invoke, make):
    package = pack({"app.py": HANDLER, "wrapper": (WRAPPER, 0o755)})
    variables = {"AWS_LAMBDA_EXEC_WRAPPER": "/var/task/wrapper"}
    name = make.create("wrapped", zip_file=package, Handler="app.handler", Environment={"Variables": variables})
    # Sentry's SDK patches the bootstrap that it finds on `__main__`.
    assert invoke(name, {}).ok == {"wrapped": "yes", "options": ["faulthandler"], "main": True}


def test_node_is_where_shebangs_of_layers_look(invoke, make, runtimes):
    usable = [runtime for runtime in runtimes if runtime.startswith("nodejs")]
    if not usable:
        pytest.skip("no Node.js on this host")
    code = """
        const { execFileSync } = require("node:child_process");
        const { writeFileSync } = require("node:fs");
        exports.handler = async () => {
          writeFileSync("/tmp/tool", "#!/var/lang/bin/node\\nconsole.log(process.version)", { mode: 0o755 });
          return [execFileSync("/tmp/tool", { encoding: "utf8" }).trim(), process.version];
        };
    """
    name = make.create("shebang", zip_file=pack({"index.js": code}), Runtime=usable[0], Handler="index.handler")
    said, version = invoke(name, {}).ok
    assert said == version


def test_a_wrapper_may_be_in_a_layer(invoke, make, lambda_):
    content = {"ZipFile": pack({"wrapper": (WRAPPER, 0o755)})}
    layer = lambda_.publish_layer_version(LayerName=unique("wrapper"), Content=content)["LayerVersionArn"]
    variables = {"AWS_LAMBDA_EXEC_WRAPPER": "/opt/wrapper"}
    package = pack({"app.py": HANDLER})
    settings = {"Handler": "app.handler", "Layers": [layer], "Environment": {"Variables": variables}}
    name = make.create("wrapped", zip_file=package, **settings)
    assert invoke(name, {}).ok == {"wrapped": "yes", "options": ["faulthandler"], "main": True}


def test_a_wrapper_needs_no_first_line_and_an_empty_variable_names_none(invoke, make):
    bare = WRAPPER.removeprefix("#!/bin/bash\n")
    assert not bare.startswith("#!"), bare
    package = pack({"app.py": HANDLER, "wrapper": (bare, 0o755)})
    for wrapper, wrapped in [("/var/task/wrapper", "yes"), ("", None)]:
        variables = {"AWS_LAMBDA_EXEC_WRAPPER": wrapper}
        name = make.create("bare", zip_file=package, Handler="app.handler", Environment={"Variables": variables})
        assert invoke(name, {}).ok["wrapped"] == wrapped


@pytest.mark.parametrize("wrapper, status, said", [
    ("/opt/wrapper", 127, "/opt/wrapper: does not exist"),
    ("/var/task/wrapper", 126, "/var/task/wrapper: is not an executable"),
])
def test_a_wrapper_that_cannot_be_run_is_named_as_on_aws(invoke, make, wrapper, status, said):
    package = pack({"app.py": HANDLER, "wrapper": (WRAPPER, 0o644)})
    variables = {"AWS_LAMBDA_EXEC_WRAPPER": wrapper}
    name = make.create("unwrapped", zip_file=package, Handler="app.handler", Environment={"Variables": variables})
    answer = invoke(name, {}, tail=True)
    error = json.loads(answer.payload)
    assert error["errorType"] == "Runtime.ExitError"
    assert error["errorMessage"].endswith(f"Error: Runtime exited with error: exit status {status}")
    assert said in answer.log.splitlines()


def test_who_looks_for_extensions_is_told_at_once(invoke, probe):
    # Libraries of vendors register themselves from within the function. Without an answer they would wait for ever.
    command = """
        api=http://$AWS_LAMBDA_RUNTIME_API
        for path in 2020-01-01/extension/register 2022-07-01/telemetry 2020-08-15/logs; do
            curl -sS -m 5 -o /dev/null -w '%{http_code} ' -X POST -H 'Lambda-Extension-Name: x' -d '{"events":[]}' $api/$path
        done
    """
    codes = run(invoke, probe, command).split()
    assert len(codes) == 3 and all(400 <= int(code) < 600 for code in codes), codes


def test_an_environment_outlives_the_connection_that_started_it(server, make, python):
    # A process dies with the thread that started it where that was asked of the kernel: not with the caller's.
    name = make.create("outlives")
    seen = []
    for _ in range(2):
        caller = Clients(server).boto("lambda")
        seen.append(invoke_with(caller, name).ok["count"])
        caller.close()
    assert seen == [1, 2], "the second caller met the environment of the first"
