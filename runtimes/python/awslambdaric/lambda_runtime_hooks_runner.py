"""Runs the hooks that a function registered with `snapshot_restore_py` (SnapStart)."""

from snapshot_restore_py import get_after_restore, get_before_snapshot


def run_before_snapshot():
    """Runs the hooks before the snapshot, the last registered first."""
    hooks = get_before_snapshot()
    while hooks:
        function, arguments, keywords = hooks.pop()
        function(*arguments, **keywords)


def run_after_restore():
    """Runs the hooks after the restore in the order of their registration."""
    for function, arguments, keywords in get_after_restore():
        function(*arguments, **keywords)
