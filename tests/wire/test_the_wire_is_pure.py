"""The wire knows no framework, broker or database: it can be read, tested and ported alone."""

import subprocess
import sys
from pathlib import Path

import provisioning.wire

MODULES = sorted(path.stem for path in Path(provisioning.wire.__path__[0]).glob("*.py"))


def test_the_wire_loads_nothing_but_the_standard_library_and_cbor2() -> None:
    # In a process of its own: in a full run something else has loaded everything already.
    code = f"""
import sys
before = set(sys.modules)
for module in {MODULES!r}:
    __import__("provisioning.wire." + module)
loaded = {{name.partition(".")[0] for name in set(sys.modules) - before}}
print(*sorted(loaded - sys.stdlib_module_names))
"""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=30
    )
    assert done.stdout.split() == ["cbor2", "provisioning"]
