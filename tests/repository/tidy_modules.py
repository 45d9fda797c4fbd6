"""The rules of tidiness that need the whole tree: dead modules, and what a module says it offers.

Rules for one file are in `tidy.py`.
"""

import ast
from collections.abc import Iterator, Sequence

from tests.repository.tree import ROOT, PythonFile

__all__ = ["dead_modules", "missing_names", "unlisted_names"]

# Found by name and not by import: pytest's own files, benchmarks, `python -m`, and the suites users import.
ENTRY_NAMES = ("__init__", "__main__", "conftest")
ENTRY_PREFIXES = ("test_", "bench_")
FOR_USERS = ("podledger.testing.", "podledger_adapters.testing")


def imports_of(file: PythonFile) -> Iterator[tuple[str, str, int]]:
    """What a file imports: (module, name or "", line). `import a.b` yields ("a.b", "")."""
    for node in ast.walk(file.tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield alias.name, "", node.lineno
        elif isinstance(node, ast.ImportFrom):
            module = ".".join(part for part in (_base(file, node.level), node.module or "") if part)
            for alias in node.names:
                yield module, alias.name, node.lineno


def _base(file: PythonFile, level: int) -> str:
    """The package that a relative import of this level starts from, "" for an absolute one."""
    if not level:
        return ""
    parts = file.module.split(".")
    up = level - 1 if file.path.stem == "__init__" else level
    return ".".join(parts[: len(parts) - up])


def dead_modules(files: Sequence[PythonFile]) -> Iterator[str]:
    """Every module is imported by another that is no test, or is an entry point."""
    imported: set[str] = set()
    for file in files:
        is_test = file.path.name.startswith("test_") or file.path.name == "conftest.py"
        for module, name, _ in imports_of(file):
            targets = {module, f"{module}.{name}"}
            # What only tests import is dead, unless it is itself part of the tests.
            imported |= {target for target in targets if target.startswith("tests.")} if is_test else targets
        imported |= _named_by_strings(file)
    for file in files:
        by_name = file.path.stem in ENTRY_NAMES or file.path.stem.startswith(ENTRY_PREFIXES) or _is_script(file)
        if by_name or file.path.parts[0] == "examples" or file.module.startswith(FOR_USERS):
            continue
        if not imported & {file.module, str(file.path), f"{file.path.parent}/ {file.path.stem}"}:
            yield f"{file.at(1)}: nobody imports {file.module}: use it or remove it"


def _named_by_strings(file: PythonFile) -> set[str]:
    """Modules may be named by strings: where they are imported late, by path, or by name in a folder below."""
    named: set[str] = set()
    below = [path for path in (ROOT / file.path.parent).iterdir() if path.is_dir()] if file.in_package else []
    for node in ast.walk(file.tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            named.add(node.value.partition(":")[0])
            named |= {f"{folder.relative_to(ROOT)}/ {node.value}" for folder in below}
    return named


def missing_names(files: Sequence[PythonFile]) -> Iterator[str]:
    """`__all__` lists only what is there, and a module of the packages that offers something has one."""
    for file in files:
        listed = _listed(file)
        defined = _defined(file)
        for name in sorted((listed or set()) - defined - {"__version__"}):
            yield f"{file.at(1)}: __all__ lists {name}, which the module does not define"
        offers = [name for name in _own_definitions(file) if not name.startswith("_")]
        if listed is None and offers and file.in_package and file.path.stem != "__main__":
            yield f"{file.at(1)}: no __all__, but it defines {', '.join(sorted(offers))}"


def unlisted_names(files: Sequence[PythonFile]) -> Iterator[str]:
    """What one module of the packages imports from another is in that one's `__all__`."""
    listed = {file.module: _listed(file) for file in files if file.in_package}
    for file in files:
        if not file.in_package:
            continue
        for module, name, line in imports_of(file):
            offered = listed.get(module)
            if name and offered is not None and name not in offered and f"{module}.{name}" not in listed:
                yield f"{file.at(line)}: {name} is not in __all__ of {module}: list it there, or do without it"


def _listed(file: PythonFile) -> set[str] | None:
    for node in file.tree.body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__":
            return set(ast.literal_eval(node.value))
    return None


def _own_definitions(file: PythonFile) -> set[str]:
    return {
        node.name for node in file.tree.body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)
    }


def _defined(file: PythonFile) -> set[str]:
    names = _own_definitions(file)
    for node in ast.walk(file.tree):
        if isinstance(node, ast.Import | ast.ImportFrom):
            names |= {(alias.asname or alias.name).partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            names.add(node.id)
    return names


def _is_script(file: PythonFile) -> bool:
    return any(isinstance(node, ast.If) and "__name__" in ast.unparse(node.test) for node in file.tree.body)
