"""What is in sight inside: exactly what the list explains, and what programs need of it works."""

import pytest

from support import functions
from support.server import with_either_rights

from . import visible

pytestmark = pytest.mark.namespaces


@pytest.fixture(scope="session")
def seen(arena):
    # An environment of its own: others have been attacked from inside.
    name = arena.function("python", {"Description": "looks"})
    return functions.invoke(arena.lambda_, name, {"look": "look"}).ok


@with_either_rights
@pytest.mark.parametrize("folder", visible.FOLDERS)
def test_a_folder_holds_what_is_explained(seen, folder):
    found, expected = seen["folders"][folder], visible.FOLDERS[folder]
    if expected is None:
        assert found is None, f"{folder} is there"
        return
    assert visible.explained(found or {}, expected) == ([], []), found


@with_either_rights
def test_the_covered_files_are_empty(seen):
    covers = next(key for key, why in visible.FOLDERS["/proc"].items() if why == "covered: empty")
    names = {word.removesuffix("?") for word in covers.split()} & seen["folders"]["/proc"].keys()
    assert names <= set(seen["hidden"]), names - set(seen["hidden"])


@with_either_rights
def test_devices_are_harmless(seen):
    devices = {name: kind for name, kind in seen["folders"]["/dev"].items() if "device" in kind}
    # Linux, Documentation/admin-guide/devices.txt.
    assert devices == {
        "null": "character device 1:3",
        "zero": "character device 1:5",
        "full": "character device 1:7",
        "random": "character device 1:8",
        "urandom": "character device 1:9",
        "tty": "character device 5:0",
    }


@with_either_rights
def test_mounts_are_explained_and_restricted(seen):
    assert visible.explained(seen["mounts"], visible.MOUNTS) == ([], [])
    for point, mount in seen["mounts"].items():
        # The first pattern that fits, as a reader would look it up.
        wanted = next(options for key, (options, _) in visible.MOUNTS.items() if not visible.explained([point], [key])[0])
        assert {"nosuid", *wanted.split()} <= set(mount["options"]), (point, mount)


@with_either_rights
def test_host_paths_show_in_mountinfo_and_nowhere_else(arena, seen):
    roots = {point: mount["root"] for point, mount in seen["mounts"].items()}
    leaking = {point for point, root in roots.items() if str(arena.server.home) in root}
    assert leaking <= {"/var/task", "/var/runtime", "/var/lang"}, roots


@with_either_rights
def test_descriptors_and_processes_are_explained(seen):
    unknown = {
        number: kind
        for number, kind in seen["descriptors"].items()
        if kind != visible.DESCRIPTORS.get(number) and kind != "socket"
    }
    assert not unknown, "sockets are the client's own connections; nothing else is open"
    assert visible.DESCRIPTORS.keys() <= seen["descriptors"].keys()
    assert seen["processes"][0] == 1 and len(seen["processes"]) == 2, "init and the function"


@with_either_rights
def test_variables_are_explained(seen):
    assert visible.explained(seen["variables"], visible.VARIABLES) == ([], [])


@with_either_rights
def test_users_names_certificates_and_time_zones_work(arena):
    name = arena.function("python", {"Description": "looks"})
    works = functions.invoke(arena.lambda_, name, {"look": "works"}).ok
    assert works["user"] == ["sbx_user1051", "/tmp", 1051]
    names = works["names"]
    assert names.pop("elsewhere") == "gaierror", "there is no resolver"
    assert set(names.values()) == {"127.0.0.1"} and len(names) == 3, names
    assert works["certificates"] > 50 and works["summer_hours"] == 2.0 and works["local"] == "UTC", works
