"""``python -m pytest_templates``."""

from __future__ import annotations

import sys
from importlib.util import find_spec

if __name__ == "__main__":
    if find_spec("pytest") is None:
        sys.exit('pytest is not installed: pip install "antiphon[pytest]"')
    from pytest_templates.commands.main import main

    sys.exit(main())
