"""The documentation says what is there: keys, names, presets, commands and links. Its examples run from conftest.py."""

import importlib
import inspect
import re
import shlex
import sys
import tomllib
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest
import typer

import fefreq.experiments.commands
import harness.commands.app
from fefreq.experiments.experiment import read_experiment
from harness.experiments import preset_names, preset_path
from harness.studies.comparison.study import Comparison
from harness.studies.files import read_file

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md", *sorted(DOCS.glob("*.md"))]

sys.path.insert(0, str(DOCS / "_ext"))
import experiment_keys  # noqa: E402
import presets  # noqa: E402

REFERENCE = "".join(
    experiment_keys.expand((DOCS / page).read_text(encoding="utf-8"))
    for page in ("experiments.md", "studies.md")
)


def blocks(page: Path, language: str) -> list[str]:
    return re.findall(
        rf"^```{language}\n(.*?)^```$", page.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE
    )


# Experiment files


@pytest.mark.parametrize("table", experiment_keys.tables().values(), ids=lambda table: table.name)
def test_every_key_of_an_experiment_file_is_described(table):
    assert experiment_keys.as_markdown(table) in REFERENCE
    assert [key.name for key in table.keys if not key.meaning] == []


def test_every_kind_of_table_has_a_section_that_says_what_it_is():
    for table in experiment_keys.tables().values():
        if table.kind:
            heading = rf'^### `\w+ = {{ kind = "{table.kind}" }}`$|^## `kind = "{table.kind}"`$'
            assert re.search(heading, REFERENCE, re.MULTILINE)
            assert table.summary in REFERENCE


def test_no_request_for_a_table_is_left_unanswered():
    assert re.findall("<!--.*", REFERENCE) == []


def test_links_between_tables_lead_somewhere():
    targets = set(re.findall(r"^\((\S+)\)=$", REFERENCE, re.MULTILINE))
    assert set(re.findall(r"\]\(#(\S+?)\)", REFERENCE)) <= targets


def test_files_on_the_page_are_valid_experiments_and_the_first_shows_every_section(tmp_path):
    files = blocks(DOCS / "experiments.md", "toml")
    for content in files:
        path = tmp_path / "experiment.toml"
        path.write_text(content, encoding="utf-8")
        read_file(path)
        read_experiment(path)
    assert set(tomllib.loads(files[0])) == set(Comparison.model_fields) - {"model", "kind"}


# Names


def documented(directive: str, argument: str, options: str, module: str) -> list[object]:
    """Objects that an autodoc directive documents."""
    if directive != "automodule":
        for place in (module, ""):
            path, _, name = f"{place}.{argument}".strip(".").rpartition(".")
            try:
                return [getattr(importlib.import_module(path), name)]
            except (ImportError, ValueError, AttributeError):
                continue
        raise AssertionError(f"there is no {argument}")
    members = re.search(r":members:(.*)", options)
    if members is None:
        return []
    home = importlib.import_module(argument)
    names = [name.strip() for name in members[1].split(",") if name.strip()]
    return [vars(home)[name] for name in names or public_names(home)]


def public_names(module: ModuleType) -> list[str]:
    if hasattr(module, "__all__"):
        return list(module.__all__)
    return [
        n for n, v in vars(module).items() if n[0] != "_" and getattr(v, "__module__", "") == module.__name__
    ]


def reference() -> list[object]:
    found: list[object] = []
    for page in sorted((DOCS / "api").glob("*.md")):
        module = ""
        for block in blocks(page, "{eval-rst}"):
            for directive, argument, options in re.findall(
                r"^\.\. (\w+):: (\S+)\n((?:   .*\n)*)", block, re.MULTILINE
            ):
                if directive in ("currentmodule", "automodule"):
                    module = argument
                if directive.startswith("auto"):
                    found += documented(directive, argument, options, module)
    return found


@pytest.mark.parametrize(
    "package",
    ["fefreq", "harness", "fefreq.models", "fefreq.output.plots", "harness.relu"],
)
def test_every_public_name_is_in_the_reference(package):
    module = importlib.import_module(package)
    known = {id(thing) for thing in reference()}
    things = {name: getattr(module, name) for name in module.__all__}
    assert [
        name
        for name, thing in things.items()
        if (inspect.isclass(thing) or inspect.isroutine(thing)) and id(thing) not in known
    ] == []


@pytest.mark.parametrize("package", ["fefreq", "harness"])
def test_every_public_name_is_in_the_summary(package):
    text = (DOCS / "api.md").read_text(encoding="utf-8")
    for name in importlib.import_module(package).__all__:
        assert re.search(rf"(^   |\.){name}\b", text, re.MULTILINE), name


def test_every_preset_is_on_the_page_with_its_file():
    text = presets.expand((DOCS / "validation.md").read_text(encoding="utf-8"))
    for name in preset_names():
        assert f"### `{name}`" in text
        assert preset_path(name).read_text(encoding="utf-8") in text


def test_every_kind_of_check_is_said_to_be_measured_somehow():
    text = (DOCS / "validation.md").read_text(encoding="utf-8")
    for table in experiment_keys.kinds("Comparison", "checks"):
        assert f"`{table.kind}`\n: " in text


# Commands and links


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_shell_commands_exist(page):
    commands = [
        shlex.split(line.removeprefix("$ "))
        for block in blocks(page, "console")
        for line in block.splitlines()
        if line.startswith("$ ")
    ]
    targets = re.findall(r"^(\w+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
    apps = {"fefreq": fefreq.experiments.commands.app, "harness": harness.commands.app.app}
    for program, *arguments in commands:
        if program == "make":
            assert set(arguments) <= set(targets)
        elif program in apps:
            name, *rest = arguments
            command = typer.main.get_command(apps[program]).commands[name]
            given = command.make_context(name, rest).params  # fails where an option does not exist
            if "experiment" in given:
                assert (ROOT / given["experiment"]).is_file()
            assert set(given.get("names") or ()) <= set(preset_names())
        else:
            assert [program, *arguments] == ["source", ".venv/bin/activate"]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_to_files_lead_somewhere(page):
    links = re.findall(r"\[[^\]]*\]\(([^)#:\s]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8"))
    made_by_the_build = {link for link in links if link.startswith("_build/")}
    assert [
        link for link in links if not (page.parent / link).is_file() and link not in made_by_the_build
    ] == []


# The check of the examples itself


@pytest.mark.parametrize(
    ("shown", "printed", "agree"),
    [
        ("half-life 36", "half-life 35.2", True),
        ("half-life 36", "half-life 33", False),
        ("half-life 36", "decay 36", False),
        ("[1, 2]", "[1, 2, 3]", False),
    ],
)
def test_shown_output_must_be_what_is_printed(request, shown, printed, agree):
    conftest = request.config.pluginmanager.get_plugin(str(ROOT / "conftest.py"))
    example = SimpleNamespace(parsed=f"{shown}\n", namespace={"_printed": f"{printed}\n"})
    assert (conftest.compare(example) is None) == agree
