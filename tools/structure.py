"""Measure how the two packages are built: modules, the circles of their imports, and what the plugin costs pytest.

    python tools/structure.py

Every import in the source counts, also those within functions and those for type checkers only. A module whose folder
is no package (the demo's program) belongs to neither.
"""

from __future__ import annotations

import ast
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from statistics import median

ROOT = Path(__file__).parents[1]
PACKAGES = {"antiphon": ROOT / "src" / "antiphon", "pytest_templates": ROOT / "pytest_templates"}
SHORT = 100  # lines
ROUNDS = 15
RUN_OF_ONE_TEST = """
import os, sys
os.environ["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"
sys.path[:0] = {path}
import pytest
sys.stdout = open(os.devnull, "w")
sys.exit(pytest.main(["-p", "no:cacheprovider", "--rootdir", {folder}, {folder}, *{plugin}]))
"""


@dataclass(frozen=True, slots=True)
class Module:
    """A module of a package.

    Attributes:
        lines: The length of its file.
        has_code: Whether there is more in it than a docstring.
        imports: The modules that it imports, of those that are measured.
    """

    lines: int
    has_code: bool
    imports: frozenset[str]


def modules_of(packages: Mapping[str, Path]) -> dict[str, Module]:
    """Every module of some packages, by its full name.

    Args:
        packages: The folder of each package.
    """
    files = {name: file for package, folder in packages.items() for name, file in _files(package, folder)}
    return {name: _module(name, file, files.keys()) for name, file in files.items()}


def circles(modules: Mapping[str, Module]) -> list[list[str]]:
    """The groups of modules each of which imports, by way of others, all others of its group; the largest first."""
    reached = {name: _reached_from(name, modules) for name in modules}
    groups = {tuple(sorted({name, *(other for other in reached[name] if name in reached[other])})) for name in modules}
    return sorted((list(group) for group in groups if len(group) > 1), key=lambda group: (-len(group), group))


def start_up_milliseconds() -> float:
    """What a run of one test that needs no model takes beyond one without the plugin: processor time, a median."""
    sys.path.append(str(ROOT / "benchmarks"))
    processor_seconds: Callable[[str], float] = import_module("startup").processor_seconds
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "test_nothing.py").write_text("def test_nothing():\n    pass\n", encoding="utf-8")
        path = [str(ROOT), str(ROOT / "src")]
        bare, full = (
            RUN_OF_ONE_TEST.format(path=path, folder=repr(folder), plugin=plugin)
            for plugin in ([], ["-p", "pytest_templates.plugin"])
        )
        for program in (bare, full):
            processor_seconds(program)  # compiles what is not compiled yet
        return median(processor_seconds(full) - processor_seconds(bare) for _ in range(ROUNDS)) * 1e3


def _files(package: str, folder: Path) -> Iterator[tuple[str, Path]]:
    yield package, folder / "__init__.py"
    for path in sorted(folder.iterdir()):
        if (path / "__init__.py").is_file():
            yield from _files(f"{package}.{path.name}", path)
        elif path.suffix == ".py" and path.stem != "__init__":
            yield f"{package}.{path.stem}", path


def _module(name: str, file: Path, names: AbstractSet[str]) -> Module:
    text = file.read_text(encoding="utf-8")
    tree = ast.parse(text)
    package = name if file.stem == "__init__" else name.rpartition(".")[0]
    imported = {one for node in ast.walk(tree) for one in _imported(node, package, names)}
    return Module(len(text.splitlines()), _has_code(tree), frozenset(imported - {name}))


def _imported(node: ast.AST, package: str, names: AbstractSet[str]) -> Iterator[str]:
    """The modules that a statement imports: of ``from a import b`` it is ``a.b`` where that is one, else ``a``."""
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names if alias.name in names)
    elif isinstance(node, ast.ImportFrom):
        above = package.rsplit(".", node.level - 1)[0] + "." if node.level else ""
        source = f"{above}{node.module or ''}".rstrip(".")
        for alias in node.names:
            yield from [one for one in (f"{source}.{alias.name}", source) if one in names][:1]


def _has_code(tree: ast.Module) -> bool:
    body = tree.body[ast.get_docstring(tree, clean=False) is not None :]
    return any(not (isinstance(node, ast.ImportFrom) and node.module == "__future__") for node in body)


def _reached_from(name: str, modules: Mapping[str, Module]) -> set[str]:
    reached: set[str] = set()
    waiting = [name]
    while waiting:
        new = modules[waiting.pop()].imports - reached
        reached |= new
        waiting += new
    return reached


def main() -> None:
    """Measure, and print."""
    modules = modules_of(PACKAGES)
    importers = Counter(imported for module in modules.values() for imported in module.imports)
    for package, folder in PACKAGES.items():
        own = {name: one for name, one in modules.items() if name.partition(".")[0] == package and one.has_code}
        lines = sorted(one.lines for one in own.values())
        figures = {
            "modules with code": len(own),
            "lines, median": f"{median(lines):g}",
            "lines, largest": lines[-1],
            f"modules below {SHORT} lines": sum(one < SHORT for one in lines),
            "modules that one other imports": sum(importers[name] == 1 for name in own),
            "files and folders at its root": sum(path.name != "__pycache__" for path in folder.iterdir()),
        }
        print(package)
        for what, figure in figures.items():
            print(f"  {figure:>5}  {what}")
    found = circles(modules)
    print("both")
    print(f"  {len(found):>5}  circles of imports")
    for circle in found:
        print(f"         {len(circle)} modules: {', '.join(circle)}")
    print(f"  {start_up_milliseconds():>5.1f}  milliseconds of start-up beyond pytest's own")


if __name__ == "__main__":
    main()
