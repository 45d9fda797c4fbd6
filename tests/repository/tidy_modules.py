"""The rules of tidiness that need the whole tree: dead modules, and what a module says it offers.

Rules for one file are in `tidy.py`.
"""

import ast
from collections.abc import Iterator, Sequence

from tests.repository.tree import PythonFile

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
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            for alias in node.names:
                yield node.module, alias.name, node.lineno


def dead_modules(files: Sequence[PythonFile]) -> Iterator[str]:
    """Every module is imported by another that is no test, or is an entry point."""
    imported: set[str] = set()
    for file in files:
        is_test = file.path.name.startswith("test_") or file.path.name == "conftest.py"
        for module, name, _ in imports_of(file):
            targets = {module, f"{module}.{name}"}
            # What only tests import is dead, unless it is itself part of the tests.
            imported |= {target for target in targets if target.startswith("tests.")} if is_test else targets
        # A module may also be named by a string: started with `-m` as a pod's shim is, or imported when it is used.
        strings = (node.value for node in ast.walk(file.tree) if isinstance(node, ast.Constant))
        imported |= {text.partition(":")[0] for text in strings if isinstance(text, str)}
    for file in files:
        stem = file.path.stem
        if stem in ENTRY_NAMES or stem.startswith(ENTRY_PREFIXES) or file.path.parts[0] == "examples":
            continue
        if file.module in imported or file.module.startswith(FOR_USERS) or _is_script(file):
            continue
        yield f"{file.at(1)}: nobody imports {file.module}: use it or remove it"


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
