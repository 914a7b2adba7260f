"""What of a running program its users wrote themselves."""

from __future__ import annotations

import sys
import sysconfig
from functools import lru_cache
from pathlib import Path
from typing import Final

_STANDARD_LIBRARY: Final = Path(sysconfig.get_path("stdlib"))
_OURS: Final = frozenset({"antiphon", "pytest_templates"})


def is_users(module: str, file: str) -> bool:
    """Whether code is the user's: not installed, not Python's, not ours.

    Args:
        module: The name of its module, ``""`` where it has none.
        file: The file it was compiled from.
    """
    path = Path(file)
    installed = "site-packages" in path.parts or path.is_relative_to(_STANDARD_LIBRARY)
    return not installed and module.partition(".")[0] not in _OURS


@lru_cache(maxsize=1024)
def is_users_module(name: str) -> bool:
    """Whether a module that is loaded is the user's; one without a file is not."""
    file = getattr(sys.modules.get(name), "__file__", None)
    return file is not None and is_users(name, file)
