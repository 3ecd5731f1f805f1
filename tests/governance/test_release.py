"""The release command: what it refuses, what it writes, what a dry run leaves alone."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from datetime import date
from pathlib import Path

import pytest

from scripts.releasing.changelog import NOTHING, notes_of, with_release
from scripts.releasing.release import main
from scripts.releasing.versions import Release

from .repository import ROOT, Repository, environment

DAY = date(2026, 2, 4)
CHANGELOG = "# Changelog\n\nAll changes.\n\n## [Unreleased]\n\n### Added\n- By hand: a hint,\n  which is long.\n"


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Repository:
    """A package with the version, the changelog and the release's settings of this one."""
    for name, value in environment().items():
        monkeypatch.setenv(name, value)
    repository = Repository.begin(tmp_path / "a repository")
    for name in ("pyproject.toml", "cliff.toml", "README.md", "LICENSE", ".gitattributes"):
        shutil.copy(ROOT / name, repository.root / name)
    repository.write("sg_coach/__about__.py", '"""The version."""\n\n__version__ = "0.1.0"\n')
    repository.write("CHANGELOG.md", CHANGELOG)
    for subject in (
        "feat: a hint", "fix(queue): a leak", "perf: faster", "refactor!: other names", "docs: read me", "test: more",
        "ci: a workflow", "Merge branch 'x'", "feat: `<b>` & {{ braces }} 100% *x*", "chore(release): v0.0.1",
    ):  # fmt: skip
        repository.commit(subject)
    return repository


def release(repository: Repository, *arguments: str) -> int:
    return main(arguments, repository.root)


def version(repository: Repository) -> str:
    return (repository.root / "sg_coach/__about__.py").read_text().split('"')[-2]


def changelog(repository: Repository) -> str:
    return (repository.root / "CHANGELOG.md").read_text()


def test_a_release(repository: Repository) -> None:
    assert release(repository, "--version", "0.2.0") == 0
    assert version(repository) == "0.2.0"
    assert repository.git("status", "--porcelain") == ""
    assert repository.git("log", "-1", "--format=%s") == "chore(release): v0.2.0\n"
    assert repository.git("describe", "--exact-match", "HEAD") == "v0.2.0\n"
    assert repository.git("cat-file", "-t", "v0.2.0") == "tag\n"
    head, _, section = changelog(repository).partition("## [0.2.0] - ")
    assert head == "# Changelog\n\nAll changes.\n\n## [Unreleased]\n\n"
    assert section.partition("\n\n")[2] == (
        "### Added\n- By hand: a hint,\n  which is long.\n- A hint\n- `<b>` & {{ braces }} 100% *x*\n\n"
        "### Fixed\n- queue: A leak\n\n### Performance\n- Faster\n\n### Changed\n- **Breaking:** Other names\n\n"
        "### Documentation\n- Read me\n\n### Testing\n- More\n\n### CI\n- A workflow\n"
    )


def test_candidates_then_the_release(repository: Repository) -> None:
    assert release(repository, "--version", "0.2.0", "--rc", "1") == 0
    assert version(repository) == "0.2.0rc1"
    assert repository.git("tag") == "v0.2.0-rc1\n"
    assert "## [Unreleased]\n\n### Added\n- By hand" in changelog(repository)
    repository.commit("fix: what the candidate showed")
    assert release(repository, "--version", "0.2.0", "--rc", "2") == 0
    assert "0.2.0-rc1" not in changelog(repository)
    assert release(repository, "--version", "0.2.0") == 0
    text = changelog(repository)
    assert "-rc" not in text
    assert text.count("By hand") == text.count("- A hint\n") == text.count("What the candidate showed") == 1
    repository.commit("feat: the next thing")
    assert release(repository, "--version", "0.3.0") == 0
    assert notes_of(changelog(repository), Release("0.3.0")) == "### Added\n- The next thing\n"
    assert "## [0.2.0] - " in changelog(repository)


def test_a_dry_run_prints_each_step_and_touches_nothing(
    repository: Repository, capsys: pytest.CaptureFixture[str]
) -> None:
    before = repository.git("rev-parse", "HEAD"), repository.git("status", "--porcelain", "--ignored")
    assert release(repository, "--version", "0.2.0", "--rc", "1", "--dry-run") == 0
    said = capsys.readouterr().out
    for line in (
        "release v0.2.0-rc1 (dry run: nothing is touched)",
        "1. version: sg_coach/__about__.py: 0.1.0 → 0.2.0rc1",
        "2. changelog: CHANGELOG.md",
        "     - By hand: a hint,",
        "3. commit",
        "     git commit --quiet -m 'chore(release): v0.2.0-rc1' -- sg_coach/__about__.py CHANGELOG.md",
        "4. tag",
        "     git tag --annotate v0.2.0-rc1 -m v0.2.0-rc1",
        "     git push origin HEAD v0.2.0-rc1",
    ):
        assert f"{line}\n" in said
    assert (repository.git("rev-parse", "HEAD"), repository.git("status", "--porcelain", "--ignored")) == before
    assert repository.git("tag") == ""
    assert version(repository) == "0.1.0"


@pytest.mark.parametrize("path", ["README.md", "a new file.txt"])
def test_a_dirty_tree_is_refused(repository: Repository, path: str, capsys: pytest.CaptureFixture[str]) -> None:
    repository.write(path, "changed\n")
    assert release(repository, "--version", "0.2.0") == 1
    assert "the tree is dirty (1 path(s)" in capsys.readouterr().err
    assert repository.git("tag") == ""
    assert release(repository, "--version", "0.2.0", "--dry-run") == 0
    assert "would be refused: the tree is dirty" in capsys.readouterr().out


@pytest.mark.parametrize(
    "text", ["", "1", "1.2", "1.2.3.4", "v1.2.3", "1.2.03", "1.2.3-rc1", "1.2.3rc1", "a.b.c", "1.2.٣", "1.2.3\n"]
)
def test_a_version_that_is_not_semantic_is_refused(
    repository: Repository, text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert release(repository, f"--version={text}") == 1
    assert "is no semantic version" in capsys.readouterr().err
    assert version(repository) == "0.1.0"


@pytest.mark.parametrize("text", ["0", "01", "-1", "x", "", "1.0"])
def test_a_candidate_has_a_number(repository: Repository, text: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert release(repository, "--version=0.2.0", f"--rc={text}") == 1
    assert "is no number of a candidate" in capsys.readouterr().err


def test_a_version_that_is_older_or_was_released_is_refused(
    repository: Repository, capsys: pytest.CaptureFixture[str]
) -> None:
    assert release(repository, "--version", "0.0.9") == 1
    assert "0.0.9 is older than the present version 0.1.0" in capsys.readouterr().err
    assert release(repository, "--version", "0.1.0") == 0
    assert release(repository, "--version", "0.1.0") == 1
    assert "the tag v0.1.0 is there already" in capsys.readouterr().err
    assert release(repository, "--version", "0.1.0", "--rc", "1") == 1


def test_a_step_that_fails_leaves_the_files_as_they_were(
    repository: Repository, capsys: pytest.CaptureFixture[str]
) -> None:
    hook = repository.root / ".git/hooks/pre-commit"
    hook.write_text("#!/bin/sh\necho the hook says no >&2\nexit 1\n")
    hook.chmod(0o755)
    assert release(repository, "--version", "0.2.0") == 1
    assert "the hook says no" in capsys.readouterr().err
    assert repository.git("status", "--porcelain") == ""
    assert version(repository) == "0.1.0"


def test_nothing_is_done_if_nobody_reads_the_plan(repository: Repository) -> None:
    code = f"import sys, pathlib; sys.path.insert(0, {str(ROOT)!r}); from scripts.releasing.release import main\n"
    code += "sys.exit(main(['--version', '0.2.0'], pathlib.Path.cwd()))"
    read, write = os.pipe()
    os.close(read)
    with os.fdopen(write, "w") as unread:
        done = subprocess.run(
            [sys.executable, "-c", code], cwd=repository.root, env=environment(), stdout=unread, stderr=subprocess.PIPE,
            text=True, timeout=100, check=False,
        )  # fmt: skip
    assert (done.returncode, done.stderr) == (1, "")
    assert repository.git("tag") == ""
    assert version(repository) == "0.1.0"


def test_a_changelog_without_its_place_is_refused(repository: Repository, capsys: pytest.CaptureFixture[str]) -> None:
    repository.write("CHANGELOG.md", "# Changelog\n")
    repository.commit("docs: oops")
    assert release(repository, "--version", "0.2.0") == 1
    assert "needs a line '## [Unreleased]'" in capsys.readouterr().err


def test_the_notes_of_a_tag(repository: Repository, capsys: pytest.CaptureFixture[str]) -> None:
    release(repository, "--version", "0.2.0", "--rc", "3")
    capsys.readouterr()
    assert release(repository, "--notes", "v0.2.0-rc3") == 0
    assert capsys.readouterr().out.startswith("### Added\n- By hand")
    assert release(repository, "--notes", "v9.9.9") == 1
    assert "no section [9.9.9]" in capsys.readouterr().err
    assert release(repository, "--notes", "nonsense") == 1
    assert "is no tag of a release" in capsys.readouterr().err


def test_a_tag_that_was_not_made_by_the_command_is_noticed(
    repository: Repository, capsys: pytest.CaptureFixture[str]
) -> None:
    release(repository, "--version", "0.2.0")
    assert release(repository, "--check-tag", "v0.2.0") == 0
    assert release(repository, "--check-tag", "v0.2.1") == 1
    assert "says 0.2.0, the tag v0.2.1" in capsys.readouterr().err
    repository.write("CHANGELOG.md", CHANGELOG)
    assert release(repository, "--check-tag", "v0.2.0") == 1


def test_lines_outside_our_groups_are_kept() -> None:
    text = CHANGELOG + "\n### Security\n- A lock.\n\n## [0.1.0] - 2026-01-01\n\n### Added\n- Old.\n"
    after = with_release(text, Release("0.2.0"), "### CI\n- One\n- One\n", DAY)
    assert after.endswith(
        "## [0.2.0] - 2026-02-04\n\n### Added\n- By hand: a hint,\n  which is long.\n\n### CI\n- One\n\n"
        "### Security\n- A lock.\n\n## [0.1.0] - 2026-01-01\n\n### Added\n- Old.\n"
    )


def test_a_release_without_any_line_says_so() -> None:
    after = with_release("# Changelog\n\n## [Unreleased]\n", Release("0.2.0"), "", DAY)
    assert notes_of(after, Release("0.2.0")) == f"{NOTHING}\n"


def test_tags_and_versions() -> None:
    candidate = Release.of("1.2.3", "4")
    assert (candidate.tag, candidate.semver, candidate.pep440) == ("v1.2.3-rc4", "1.2.3-rc4", "1.2.3rc4")
    assert Release.of_tag("v1.2.3-rc4") == candidate
    assert Release.of_tag("v1.2.3") == Release.of("1.2.3")


def test_our_own_changelog_has_a_place_for_the_next_release() -> None:
    text = (ROOT / "CHANGELOG.md").read_text("utf-8")
    assert "## [9.9.9] - 2026-02-04" in with_release(text, Release("9.9.9"), "", DAY)
