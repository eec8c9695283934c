"""Each attack succeeds without its fence, and is contained by it."""

import pytest

from support.server import with_either_rights

from .arena import matches
from .table import TABLE

pytestmark = pytest.mark.namespaces


@with_either_rights
@pytest.mark.parametrize("row", TABLE, ids=lambda row: row.name)
def test_attack(arena, tally, row):
    name = f"{row.name} ({arena.server.rights})"
    tally["fought"].add(name)
    weakened, contained = arena.fight(row)
    if not weakened.succeeded and row.absent and matches(row.absent, weakened.saw):
        tally["absent"].add(row.name)
    else:
        assert weakened.succeeded, f"does nothing even without its fence ({row.weakened.words}): {weakened.saw}"
    if contained.succeeded and row.unless and matches(row.unless, arena.server.output()):
        tally["not kept"].add(name)
        return arena.unharmed()
    assert not contained.succeeded, f"escaped: {contained.saw}"
    assert matches(row.contained, contained.saw), f"ended by something else than its fence: {contained.saw}"
    arena.unharmed()
    tally["contained"].add(name)


def test_the_table_is_complete():
    names = [row.name for row in TABLE]
    assert len(names) == len(set(names)) and len(names) >= 60
    assert {row.language for row in TABLE} == {"python", "native"}
