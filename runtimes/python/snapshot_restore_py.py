"""Hooks around a SnapStart snapshot (AWS Lambda Developer Guide, "Implement code before or after Lambda function
snapshots"). Registering one without SnapStart is allowed and has no effect, as on AWS."""

_before_snapshot = []
_after_restore = []


def _register(hooks, function, arguments, keywords):
    hooks.append((function, arguments, keywords))
    return function


def register_before_snapshot(function, *arguments, **keywords):
    """Calls `function` before the snapshot is taken; also usable as a decorator."""
    return _register(_before_snapshot, function, arguments, keywords)


def register_after_restore(function, *arguments, **keywords):
    """Calls `function` after each restore; also usable as a decorator."""
    return _register(_after_restore, function, arguments, keywords)


def get_before_snapshot():
    """The hooks before the snapshot: functions with their arguments."""
    return _before_snapshot


def get_after_restore():
    """The hooks after the restore: functions with their arguments."""
    return _after_restore
