"""The documentation: it names what exists, its links lead somewhere, its commands are real, and its worked examples come out as printed."""

from __future__ import annotations

import dataclasses
import re
import shlex
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import typer

from footpath.cli.main import app
from footpath.evaluation.metrics import OF_ALL_LISTS, PER_LIST
from footpath.events.fetch import fetchable
from footpath.events.presets import PRESETS
from footpath.models import catalog
from footpath.models.neural_click_model import NeuralClickModel
from footpath.models.sequence_model import SequenceModel

ROOT = Path(__file__).resolve().parents[1]
DOCS = sorted((ROOT / "docs").rglob("*.md"))
LINKED = [*DOCS, *(page for page in sorted(ROOT.glob("*.md")) if page.stat().st_size)]
MODELS = {model["name"]: model for model in catalog.describe()}
COMMANDS: dict[str, Any] = typer.main.get_command(app).commands  # type: ignore[attr-defined]
OPTIONS = {
    name: {option for parameter in command.params for option in (*parameter.opts, *parameter.secondary_opts) if option.startswith("-")}
    for name, command in COMMANDS.items()
}
SHARED: dict[type[Any], tuple[str, str]] = {
    SequenceModel: ("sequence-models.md", "settings"),
    NeuralClickModel: ("responses.md", "settings-of-all-networks"),
}
"""Where the settings stand that all models of a class have: page of docs/models, and heading."""

BLOCK = re.compile(r"^<!-- run -->\n```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)
FENCED = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")


def page_id(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


def text_of(name: str) -> str:
    return (ROOT / "docs" / name).read_text(encoding="utf-8")


def sections(text: str) -> dict[str, str]:
    """The text under each second-level heading, fenced blocks included."""
    found: dict[str, str] = {}
    heading = ""
    for line in text.splitlines():
        if line.startswith("## "):
            heading = line[3:]
        found[heading] = found.get(heading, "") + line + "\n"
    return found


def anchors(page: Path) -> set[str]:
    return {anchor_of(heading) for heading in re.findall(r"^#+ (.+)$", FENCED.sub("", page.read_text(encoding="utf-8")), re.MULTILINE)}


def anchor_of(heading: str) -> str:
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


@pytest.mark.parametrize("name", MODELS)
def test_every_model_has_a_section_with_its_hyperparameters_and_their_defaults(name: str) -> None:
    found = [
        (page.name, text)
        for page in (ROOT / "docs" / "models").glob("*.md")
        for heading, text in sections(page.read_text(encoding="utf-8")).items()
        if f"`{name}`" in heading
    ]
    assert len(found) == 1, f"one section of docs/models has `{name}` in its heading, found {len(found)}"
    where, section = found[0]
    inherited = MODELS[name]["inherited"]
    if inherited:
        page, heading = next(place for extended, place in SHARED.items() if issubclass(catalog.model_class(name), extended))
        links = (f"({page}#{heading})", *([f"(#{heading})"] if where == page else []))
        assert any(link in section for link in links), f"{name}: the section leads to the settings that it inherits, {page}#{heading}"
    for field, default in MODELS[name]["hyperparameters"].items():
        assert field in inherited or f"| `{field}` | `{default}` |" in section, f"{name}: no row for {field} with {default}"
    for link in re.findall(r"https://(?:doi\.org|arxiv\.org)/[^\s)]+", source_of(name)):
        assert link.rstrip(".,;)") in text_of_models(), f"{name}: the docs do not cite {link}"


@pytest.mark.parametrize("extended", SHARED, ids=lambda extended: extended.__name__)
def test_what_all_models_of_a_class_inherit_stands_once_with_its_defaults(extended: type[Any]) -> None:
    page, heading = SHARED[extended]
    found = [text for title, text in sections(text_of(f"models/{page}")).items() if anchor_of(title) == heading]
    for field in dataclasses.fields(extended):
        assert not field.init or f"| `{field.name}` | `{field.default}` |" in found[0], field.name


def source_of(name: str) -> str:
    text = (ROOT / "src" / "footpath" / "models" / f"{catalog.entry(name).module}.py").read_text(encoding="utf-8")
    return text.split('"""')[1].split("**Differs")[0]


def text_of_models() -> str:
    return "".join(page.read_text(encoding="utf-8") for page in (ROOT / "docs" / "models").glob("*.md"))


@pytest.mark.parametrize("name", [*PER_LIST, *OF_ALL_LISTS])
def test_every_metric_is_defined_on_the_page_of_evaluation(name: str) -> None:
    assert f"`{name}@k`" in text_of("evaluation.md")


@pytest.mark.parametrize("name", [*PRESETS, *(dataset.name for dataset in fetchable())])
def test_every_preset_and_public_data_set_is_on_the_page_of_the_log(name: str) -> None:
    assert f"`{name}`" in text_of("event-log.md")


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_is_documented_with_all_its_options(name: str) -> None:
    section = sections(text_of("command-line.md"))[f"`footpath {name}`"]
    assert "--json" in OPTIONS[name]
    assert {option for option in OPTIONS[name] - {"--help"} if f"`{option}" not in section} == set()


@pytest.mark.parametrize("page", LINKED, ids=page_id)
def test_commands_on_a_page_exist_with_their_options(page: Path) -> None:
    text = page.read_text(encoding="utf-8").replace("\\\n", " ")
    for line in re.findall(r"^(?:\$ )?(?:\.venv/bin/)?footpath (.+)$", text, re.MULTILINE):
        name, *words = shlex.split(line.split(" > ")[0], comments=True)
        if name.startswith("-"):
            continue
        assert name in COMMANDS, f"{page_id(page)}: footpath {line}"
        used = {word.partition("=")[0] for word in words if word.startswith("-") and word != "-"}
        assert used <= OPTIONS[name] | {"--help"}, f"{page_id(page)}: footpath {line}"


@pytest.mark.parametrize("page", LINKED, ids=page_id)
def test_links_lead_to_files_and_headings(page: Path) -> None:
    for link in LINK.findall(FENCED.sub("", page.read_text(encoding="utf-8"))):
        if link.startswith(("http://", "https://", "mailto:")):
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), f"{page_id(page)}: {link}"
        if anchor and target.suffix == ".md":
            assert anchor in anchors(target), f"{page_id(page)}: {link}"


def test_the_index_names_every_page() -> None:
    linked = {(ROOT / "docs" / link.partition("#")[0]).resolve() for link in LINK.findall(text_of("README.md"))}
    assert {page for page in DOCS if page.name != "README.md"} <= linked


@pytest.mark.parametrize("page", [page for page in DOCS if BLOCK.search(page.read_text(encoding="utf-8"))], ids=page_id)
def test_worked_examples_come_out_as_printed(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The blocks of a page run in order and share their names, as a reader would type them."""
    monkeypatch.chdir(tmp_path)
    text = page.read_text(encoding="utf-8")
    module = ModuleType("worked_example")
    monkeypatch.setitem(sys.modules, "worked_example", module)  # dataclasses look up the module that they are defined in
    for block in BLOCK.finditer(text):
        assert "assert" in block[1], f"{page_id(page)}: an example without an assert shows nothing"
        lines_before = text[: block.start(1)].count("\n")
        exec(compile("\n" * lines_before + block[1], str(page), "exec", dont_inherit=True), vars(module))


def test_every_page_of_maths_has_a_worked_example() -> None:
    without = [
        page_id(page) for page in DOCS if "$$" in page.read_text(encoding="utf-8") and not BLOCK.search(page.read_text(encoding="utf-8"))
    ]
    assert without == []


def test_the_tables_of_quality_are_those_of_the_measured_rows() -> None:
    """`python benchmarks/quality.py --table` writes them; in a process of its own, for it sets threads where it is imported."""
    assert text_of("quality.md").endswith(_of_quality("print(quality.MARK + quality.table(quality.read_results()))"))


def test_the_figures_of_the_readmes_are_those_of_the_measured_rows() -> None:
    for page in ("README.md", "README.zh.md"):
        text = (ROOT / page).read_text(encoding="utf-8")
        assert text.count("\n| [`") > 15
        assert text == _of_quality(f"print(quality.with_figures(open({page!r}, encoding='utf-8').read(), quality.read_results()), end='')")


def test_the_tables_of_responses_are_those_of_the_measured_rows() -> None:
    """`python benchmarks/responses.py table` writes them."""
    ratings = "json.loads(responses.RATINGS.read_text(encoding='utf-8'))"
    page = _of_responses("print(responses.MARK + responses.tables(responses.read_results()), end='')")
    assert text_of("quality-responses.md").endswith(page)
    for name in ("README.md", "README.zh.md"):
        text = (ROOT / name).read_text(encoding="utf-8")
        code = f"print(responses.with_tables(open({name!r}, encoding='utf-8').read(), responses.read_results(), {ratings}), end='')"
        assert text == _of_responses(code)


def _of_responses(code: str) -> str:
    before = "import json, sys; sys.path.insert(0, 'benchmarks'); import responses; "
    return subprocess.run([sys.executable, "-c", before + code], cwd=ROOT, capture_output=True, text=True, check=True).stdout


def _of_quality(code: str) -> str:
    before = "import sys; sys.path.insert(0, 'benchmarks'); import quality; "
    return subprocess.run([sys.executable, "-c", before + code], cwd=ROOT, capture_output=True, text=True, check=True).stdout
