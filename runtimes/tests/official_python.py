"""Runs AWS's client from a folder that the function's variables do not name: `official_python.py FOLDER HANDLER`."""

import os
import sys

folder, handler = sys.argv[1:]
# As AWS's bootstrap script does: the function's code comes first.
sys.path[0] = os.environ["LAMBDA_TASK_ROOT"]
sys.path.append(folder)

from awslambdaric.__main__ import main  # noqa: E402  (found in the folder above)

main(["bootstrap", handler])
