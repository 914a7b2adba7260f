"""Mutation testing: small changes of some modules, each of which the tests of these modules have to notice.

    python -m pip install cosmic-ray
    python tools/mutants.py comparison
    python tools/mutants.py state --sample 200

The mutants are those of cosmic-ray that are no mistakes on sight (such as the difference of two texts), and beside
them limits in regular expressions and statements that are left out. A mutant that no test notices is printed as a
change of one line: it shows a limit that is not tested, or code that is not needed, or it changes nothing that anybody
could see.

It works in a copy of the checkout, one mutant at a time, on systems that can fork.
"""

from __future__ import annotations

import argparse
import ast
import difflib
import importlib
import os
import random
import re
import resource
import shutil
import signal
import sys
import tempfile
import traceback
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, Final, NamedTuple

import parso
import pytest
from cosmic_ray.mutating import mutate_code
from cosmic_ray.operators.operator import Operator
from cosmic_ray.plugins import get_operator, operator_names

ROOT: Final = Path(__file__).parents[1]
SECONDS: Final = 40  # for the tests of one mutant: some never end
BYTES: Final = 8 * 2**30  # of memory: some make no end of something


class Area(NamedTuple):
    """Modules, and the tests that are about them.

    Attributes:
        modules: Their files.
        tests: Files of tests, those that notice most of it first; all of them quick, none with runs within.
    """

    modules: tuple[str, ...]
    tests: tuple[str, ...]


AREAS: Final = {
    "state": Area(
        tuple(f"pytest_templates/isolation/{name}.py" for name in ("state", "content", "adapters", "view")),
        tuple(
            f"tests/plugin/isolation/test_{name}.py"
            for name in ("reading", "looks", "differences", "kinds_of_values", "state")
        ),
    ),
    "comparison": Area(
        ("pytest_templates/isolation/differences.py",),
        tuple(f"tests/plugin/isolation/test_{name}.py" for name in ("differences", "reading")),
    ),
    "matching": Area(
        ("pytest_templates/cassettes/matching.py", "pytest_templates/cassettes/format/canonical_json.py"),
        tuple(f"tests/plugin/cassettes/test_{name}.py" for name in ("matching", "canonical_json")),
    ),
    "redaction": Area(
        tuple(
            f"pytest_templates/redaction/{name}.py"
            for name in ("secrets", "key_patterns", "addresses", "policy", "names")
        ),
        (
            *(f"tests/plugin/redaction/test_{name}.py" for name in ("limits", "names", "addresses", "shapes")),
            "tests/plugin/cassettes/test_secrets.py",
        ),
    ),
    "trace": Area(
        ("src/antiphon/trace.py", "src/antiphon/call_recorder.py"),
        tuple(f"tests/engine/test_{name}.py" for name in ("trace", "streaming", "models", "observers")),
    ),
}

# Of cosmic-ray's operators: limits, negations, steps that are left out. Others mostly give what fails on import.
_OPERATORS: Final = re.compile(
    r"core/(?:NumberReplacer|AddNot|ReplaceAndWithOr|ReplaceOrWithAnd|ReplaceTrueWithFalse|ReplaceFalseWithTrue"
    r"|ReplaceBreakWithContinue|ReplaceContinueWithBreak|ZeroIterationForLoop|ExceptionReplacer|RemoveDecorator"
    r"|ReplaceUnaryOperator_(?:Delete_Not|Delete_USub)"
    r"|ReplaceBinaryOperator_(?:Add_Sub|Sub_Add|Mul_FloorDiv|FloorDiv_Mul|Mod_FloorDiv|BitAnd_BitOr|BitOr_BitAnd)"
    r"|ReplaceComparisonOperator_(?:Eq_NotEq|NotEq_Eq|Is_IsNot|IsNot_Is"
    r"|Lt_LtE|Lt_GtE|LtE_Lt|LtE_Gt|Gt_GtE|Gt_LtE|GtE_Gt|GtE_Lt))"
)
_LIMIT: Final = re.compile(r"(?<=\{)[0-9]+(?=,?[0-9]*\})|(?<=,)[0-9]+(?=\})")


_STEPS: Final = ("expr_stmt", "atom_expr", "return_stmt", "yield_expr", "raise_stmt", "await", "del_stmt")


class LimitInText(Operator):
    """Changes a limit of a regular expression, such as the 20 of ``[a-z]{20,}``, by one."""

    def mutation_positions(self, node: Any) -> Iterator[tuple[Any, Any]]:
        """A pair of positions for each mutant of a node."""
        if node.type in ("string", "fstring_string"):
            yield from ((node.start_pos, node.end_pos) for _ in _LIMIT.finditer(node.value) for _ in (1, -1))

    def mutate(self, node: Any, index: int) -> Any:
        """The node with one limit changed."""
        limit = [*_LIMIT.finditer(node.value)][index // 2]
        number = int(limit[0]) + (-1 if index % 2 else 1)
        node.value = f"{node.value[: limit.start()]}{number}{node.value[limit.end() :]}"
        return node

    @classmethod
    def examples(cls) -> tuple[()]:
        """None: cosmic-ray tests its own operators by these."""
        return ()


class StepLeftOut(Operator):
    """Puts ``pass`` in the place of a statement in a function."""

    def mutation_positions(self, node: Any) -> Iterator[tuple[Any, Any]]:
        """A pair of positions for each mutant of a node."""
        if node.type == "simple_stmt" and node.children[0].type in _STEPS and node.search_ancestor("funcdef"):
            yield node.start_pos, node.end_pos

    def mutate(self, node: Any, index: int) -> Any:
        """The node without what it did."""
        del index
        first = node.get_first_leaf()
        node.children[0] = parso.python.tree.Name("pass", first.start_pos, first.prefix)
        return node

    @classmethod
    def examples(cls) -> tuple[()]:
        """None: cosmic-ray tests its own operators by these."""
        return ()


class Mutant(NamedTuple):
    """One module with one change.

    Attributes:
        module: Its file.
        source: What is in it now.
        before: What was in it before.
    """

    module: str
    source: str
    before: str

    def __str__(self) -> str:
        lines = difflib.unified_diff(self.before.splitlines(), self.source.splitlines(), n=0, lineterm="")
        return "\n".join([self.module, *(line for line in lines if not line.startswith(("---", "+++")))])


def mutants_of(module: str, source: str) -> Iterator[Mutant]:
    """Every mutant of a module that differs in more than annotations."""
    known = {_without_annotations(source)}
    theirs = [get_operator(name)() for name in operator_names() if _OPERATORS.fullmatch(name)]
    for operator in [LimitInText(), StepLeftOut(), *theirs]:
        for occurrence in range(_count(operator, parso.parse(source))):
            mutated = mutate_code(source, operator, occurrence)
            with suppress(SyntaxError):
                code = _without_annotations(mutated)
                if code not in known:
                    known.add(code)
                    yield Mutant(module, mutated, source)


def _count(operator: Any, node: Any) -> int:
    inner = sum(_count(operator, child) for child in getattr(node, "children", ()))
    return inner + len([*operator.mutation_positions(node)])


class _Bare(ast.NodeTransformer):
    """Takes annotations away, and what stands for them."""

    def visit_AnnAssign(self, node: ast.AnnAssign) -> ast.AST:
        annotation = ast.unparse(node.annotation)
        node.annotation = ast.Name(id="object")
        return self.generic_visit(node) if "TypeAlias" not in annotation else ast.Pass()

    def visit_arg(self, node: ast.arg) -> ast.AST:
        node.annotation = None
        return node

    def visit_FunctionDef(self, node: Any) -> ast.AST:
        node.returns = None
        return self.generic_visit(node)

    visit_AsyncFunctionDef = visit_FunctionDef  # noqa: N815 - so it is called


def _without_annotations(source: str) -> str:
    return ast.dump(_Bare().visit(ast.parse(source)))


def passes(folder: Path, tests: tuple[str, ...], loaded: Path | None = None) -> bool:
    """Whether all tests pass in a forked process.

    Args:
        folder: The copy of the checkout that they are of.
        tests: Their files.
        loaded: Where to write the names of all modules that they loaded; without it, nothing is printed.
    """
    child = os.fork()
    if child:
        return os.waitpid(child, 0)[1] == 0
    code: int = pytest.ExitCode.INTERNAL_ERROR
    try:
        code = _test(folder, tests, loaded)
    except BaseException:  # noqa: BLE001 - whatever a mutant raises, the copy belongs to the parent
        traceback.print_exc()
    finally:
        os._exit(code)


def _test(folder: Path, tests: tuple[str, ...], loaded: Path | None) -> int:
    signal.alarm(SECONDS)
    resource.setrlimit(resource.RLIMIT_AS, (BYTES, BYTES))
    os.chdir(folder)
    sys.path[:0] = [str(folder / "src"), str(folder)]
    if not loaded:
        silent = os.open(os.devnull, os.O_WRONLY)
        os.dup2(silent, 1)
        os.dup2(silent, 2)
        sys.dont_write_bytecode = True
    options = ("-x", "-q", "-p", "no:cacheprovider", "-p", "no:xdist", "--assert=plain", "--hypothesis-seed=0")
    code = pytest.main([*options, *tests])
    if loaded:
        loaded.write_text("\n".join(sys.modules))
    return code


def load(names: list[str], folder: Path) -> None:
    """Import what the tests use of other packages, once for all mutants."""
    ours = {entry.stem for place in (folder, folder / "src") for entry in place.iterdir()}
    for name in names:
        if name.partition(".")[0] not in ours and "pytest_" not in name and name not in sys.modules:
            with suppress(Exception):
                importlib.import_module(name)


def survivors(area: Area, folder: Path, most: int | None) -> Iterator[tuple[Mutant, bool]]:
    """The mutants of an area, each with whether its tests pass all the same."""
    loaded = folder / "loaded"
    if not passes(folder, area.tests, loaded):
        raise SystemExit("the tests fail without any mutant")
    load(loaded.read_text().splitlines(), folder)
    if not passes(folder, area.tests):
        raise SystemExit("the tests fail where modules were loaded before")
    mutants = [mutant for module in area.modules for mutant in mutants_of(module, (folder / module).read_text("utf-8"))]
    if most is not None and most < len(mutants):
        mutants = random.Random(13).sample(mutants, most)
    for mutant in mutants:
        file = folder / mutant.module
        before, times = file.read_bytes(), file.stat()
        file.write_text(mutant.source, encoding="utf-8")
        os.utime(file, (times.st_atime, times.st_mtime + 10))  # else what was compiled before counts
        yield mutant, passes(folder, area.tests)
        file.write_bytes(before)
        os.utime(file, (times.st_atime, times.st_mtime))


def main() -> None:
    """Test the mutants of one area; print those that survive, and how many were killed."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("area", choices=AREAS)
    parser.add_argument("--sample", type=int, metavar="N", help="so many of them, the same each time")
    options = parser.parse_args()
    area, counts = AREAS[options.area], {True: 0, False: 0}
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made, "checkout")
        shutil.copytree(ROOT, folder, ignore=shutil.ignore_patterns(".*", "*.egg-info", "__pycache__"))
        for mutant, has_survived in survivors(area, folder, options.sample):
            counts[has_survived] += 1
            if has_survived:
                print(f"{mutant}\n", flush=True)
    total = sum(counts.values())
    print(f"{options.area}: {counts[False]} of {total} mutants killed ({counts[False] / total:.1%})")


if __name__ == "__main__":
    main()
