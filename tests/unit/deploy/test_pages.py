"""What the documentation tells an operator to set, run, look for and read is there."""

import re
from pathlib import Path

import pytest
from drover_cli.main import admin, app

ROOT = Path(__file__).resolve().parents[3]
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])
OPERATIONS = [page for page in PAGES if page.parent.name == "operations"]
ITS_OWN = {"DROVER_TEST_ENGINE"}  # of the tests
EVENT = re.compile(r"`([a-z]+(?:_[a-z]+)+)`")


def name_of(page: Path) -> str:
    return str(page.relative_to(ROOT))


def commands(of: object) -> set[str]:
    registered = getattr(of, "registered_commands")  # noqa: B009 - typer does not type it
    return {one.name or one.callback.__name__.replace("_", "-") for one in registered}


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_links_and_paths_lead_somewhere(page: Path) -> None:
    text = page.read_text()
    links = re.findall(r"\]\((?!https?:|#)([^)#]+)", text)
    assert [link for link in links if not (page.parent / link).exists()] == []
    if page.name != "CHANGELOG.md":  # which tells of what was, too
        paths = re.findall(r"`((?:tests|deploy|bench)/[\w./-]+)", text)
        assert [path for path in paths if not (ROOT / path).exists()] == []


@pytest.mark.parametrize("page", OPERATIONS, ids=name_of)
def test_settings_and_commands_are_there(page: Path) -> None:
    text = page.read_text()
    example = (ROOT / "deploy" / "env.example").read_text()
    settings = set(re.findall(r"^#?([A-Z][A-Z0-9_]*)=", example, re.MULTILINE))
    assert set(re.findall(r"DROVER_[A-Z0-9_]*[A-Z0-9]", text)) <= settings | ITS_OWN
    assert set(re.findall(r"\./drover ([a-z]+)", text)) <= commands(app) | {"admin"}
    assert set(re.findall(r"\./drover admin ([a-z-]+)", text)) <= commands(admin)
    benches = {path.stem for path in (ROOT / "bench").glob("*.py")}
    assert set(re.findall(r"\./drover bench ([a-z_]+)", text)) <= benches


def test_every_command_of_an_operator_is_told() -> None:
    table = (ROOT / "docs/operations/operating.md").read_text().partition("## Backup")[0]
    assert commands(admin) - set(re.findall(r"`([a-z-]+)", table)) == set()


def test_lines_of_logs_that_one_looks_for_are_written() -> None:
    text = (ROOT / "docs/operations/troubleshooting.md").read_text()
    named = {name for name in EVENT.findall(text) if name.endswith(("_failed", "_unavailable", "_back"))}
    assert len(named) >= 5
    sources = [path.read_text() for top in ("shared/src", "services") for path in (ROOT / top).rglob("*.py")]
    written = {name for name in named if any(f'"{name}"' in source for source in sources)}
    assert written == named
