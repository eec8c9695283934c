"""What published packages, layers and wrapper scripts rely on inside, beyond what AWS documents."""

import textwrap

import pytest

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
