"""The tree tells the pipeline: no circles of imports, few entries at each root, one idea per file."""

from __future__ import annotations

from pathlib import Path

import grimp
import networkx as nx
import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = ("fefreq", "harness")
ENTRIES_AT_A_ROOT = 18
LINES_OF_A_FILE = 350


@pytest.fixture(scope="module")
def imports():
    """Every import as an edge: at the top, inside functions, and for types alone."""
    graph = grimp.build_graph(*PACKAGES, exclude_type_checking_imports=False, cache_dir=None)
    return nx.DiGraph(
        (module, other)
        for module in graph.modules
        for other in graph.find_modules_directly_imported_by(module)
    )


def test_no_modules_import_one_another_in_a_circle(imports):
    assert [sorted(circle) for circle in nx.strongly_connected_components(imports) if len(circle) > 1] == []


def test_the_search_for_circles_finds_one(imports):
    with_circle = imports.copy()
    with_circle.add_edge("fefreq.support.arrays", "fefreq.kernel.flow")
    assert any(len(circle) > 1 for circle in nx.strongly_connected_components(with_circle))


@pytest.mark.parametrize("package", PACKAGES)
def test_a_root_shows_its_rooms_and_little_else(package):
    entries = [path for path in (ROOT / package).iterdir() if path.name != "__pycache__"]
    assert len(entries) <= ENTRIES_AT_A_ROOT, sorted(path.name for path in entries)


@pytest.mark.parametrize("package", PACKAGES)
def test_every_room_says_what_lives_there(package):
    rooms = [path for path in (ROOT / package).rglob("*/") if any(path.glob("*.py"))]
    silent = [
        room
        for room in rooms
        if not (room / "__init__.py").read_text(encoding="utf-8").startswith(('"""', 'r"""'))
    ]
    assert len(rooms) > 5
    assert silent == []


@pytest.mark.parametrize("package", PACKAGES)
def test_no_file_is_longer_than_one_idea(package):
    lengths = {
        path.relative_to(ROOT): len(path.read_text(encoding="utf-8").splitlines())
        for path in (ROOT / package).rglob("*.py")
    }
    assert [str(path) for path, lines in lengths.items() if lines > LINES_OF_A_FILE] == []


@pytest.mark.parametrize("package", PACKAGES)
def test_the_page_about_the_house_lists_every_room(package):
    page = (ROOT / "docs" / "house.md").read_text(encoding="utf-8")
    listed = page.split(f"## `{package}`")[1].split("\n## ")[0]
    rooms = {path.parent.name for path in (ROOT / package).glob("*/__init__.py")}
    assert {line.split("`")[1] for line in listed.splitlines() if line.startswith("| `")} == rooms
