"""The house keeps its shape: sizes, who may touch what, no machine's paths."""

from __future__ import annotations

import ast
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "python" / "voxloop"


def python_files() -> list[Path]:
    return sorted(PACKAGE.rglob("*.py"))


def all_python_files() -> list[Path]:
    return python_files() + sorted((ROOT / "tests").rglob("*.py"))


def rust_files() -> list[Path]:
    return sorted((ROOT / "rust").rglob("*.rs"))


def functions(tree: ast.AST) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def code_lines(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Lines of a function without its docstring: prose is not what makes one long."""
    body = node.body[1:] if ast.get_docstring(node) and len(node.body) > 1 else node.body
    return (body[-1].end_lineno or 0) - body[0].lineno + 1


@pytest.mark.parametrize(
    ("files", "cap"), [(all_python_files, 500), (rust_files, 600)], ids=["python", "rust"]
)
def test_files_stay_small(files: object, cap: int) -> None:
    assert callable(files)
    sizes = {path: len(path.read_text(encoding="utf-8").splitlines()) for path in files()}
    assert sizes
    assert {str(p.relative_to(ROOT)): n for p, n in sizes.items() if n > cap} == {}


def test_python_functions_stay_small() -> None:
    long = {}
    for path in python_files():
        for function in functions(ast.parse(path.read_text(encoding="utf-8"))):
            if code_lines(function) > 60:
                long[f"{path.relative_to(ROOT)}:{function.name}"] = code_lines(function)
    assert long == {}


def test_constructors_set_few_attributes() -> None:
    many = {}
    for path in python_files():
        for function in functions(ast.parse(path.read_text(encoding="utf-8"))):
            if function.name != "__init__":
                continue
            targets = {
                target.attr
                for node in ast.walk(function)
                if isinstance(node, ast.Assign | ast.AnnAssign)
                for target in (node.targets if isinstance(node, ast.Assign) else [node.target])
                if isinstance(target, ast.Attribute)
                and isinstance(target.value, ast.Name)
                and target.value.id == "self"
            }
            if len(targets) > 12:
                many[f"{path.relative_to(ROOT)}:{function.lineno}"] = len(targets)
    assert many == {}


def test_only_the_bridge_knows_the_low_level_of_trio() -> None:
    users = {
        path.relative_to(PACKAGE).as_posix()
        for path in python_files()
        if re.search(r"trio\.lowlevel|from trio import .*lowlevel", path.read_text("utf-8"))
    }
    assert users == {"_bridge.py"}


def test_the_native_module_is_wrapped_in_a_few_rooms() -> None:
    users = {
        path.relative_to(PACKAGE).parts[0]
        for path in python_files()
        if re.search(r"voxloop\._native|from voxloop import .*_native", path.read_text("utf-8"))
    }
    assert users == {"_text.py", "_version.py", "audio", "net"}


def test_unsafe_stands_only_in_the_buffer_protocol_and_the_vector_instructions() -> None:
    users = {
        path.relative_to(ROOT / "rust").as_posix()
        for path in rust_files()
        if "src" in path.parts and re.search(r"\bunsafe\s*(\{|fn|impl)", path.read_text("utf-8"))
    }
    assert users == {
        "voxloop-audio/src/resample/simd.rs",
        "voxloop-audio/src/wide.rs",
        "voxloop-py/src/buffer.rs",
    }


def test_native_classes_are_frozen() -> None:
    classes = [
        match
        for path in (ROOT / "rust" / "voxloop-py" / "src").rglob("*.rs")
        for match in re.findall(r"#\[pyclass\(([^)]*)\)\]", path.read_text("utf-8"))
    ]
    assert len(classes) >= 8
    assert [c for c in classes if "frozen" not in c] == []


def test_no_path_of_one_machine_is_tracked() -> None:
    listed = subprocess.run(
        ["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    if listed.returncode:
        pytest.skip("not a git checkout")
    pattern = re.compile(r"(?<![A-Za-z0-9_.])/(work|farm|root)/[a-z.]")
    found = [
        name
        for name in listed.stdout.split()
        if not name.endswith(".lock")
        and (ROOT / name).is_file()
        and pattern.search((ROOT / name).read_text(encoding="utf-8", errors="replace"))
    ]
    assert found == []
