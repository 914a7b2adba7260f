"""Which file is a test's cassette."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from pytest_templates.support.files import is_hashed, safe_name

_SUFFIX: Final = ".yaml"


def cassette_path(root: Path, module: Path, test_name: str) -> Path:
    """The file of a test's cassette: different for every test, valid on every file system.

    Args:
        root: The folder of all cassettes.
        module: The test module's path, relative to the root directory of the tests; ``Path()`` for a named cassette.
        test_name: The test's name in its module, with class and parameters.

    See `safe_name` for names that file systems do not take as they are.
    """
    folder = module.with_suffix("") if module.suffix == ".py" else module
    inside = ("_up" if part == ".." else part for part in folder.relative_to(folder.anchor).parts)
    return root.joinpath(*inside, safe_name(test_name) + _SUFFIX)


def overridden_path(path: Path, root: Path, overrides: Sequence[object]) -> Path:
    """The file of what a test records where templates ask other models: in a folder that is called after these.

    Args:
        path: The test's own cassette; of no override, that is the one.
        root: The folder of all cassettes.
        overrides: Which templates ask which models (`settings.Override`), in any order.
    """
    if not overrides:
        return path
    return root / safe_name(",".join(sorted(map(str, overrides)))) / path.relative_to(root)


def own_name(path: Path, root: Path) -> str:
    """The path of a test's own cassette in the folder of all, for the file of any of its cassettes."""
    return without_overrides(path.relative_to(root).as_posix())


def without_overrides(name: str) -> str:
    """The path of a test's own cassette, for the path of any of its cassettes in the folder of all."""
    first, _, rest = name.partition("/")
    return rest if rest and "=" in first and is_hashed(first) else name
