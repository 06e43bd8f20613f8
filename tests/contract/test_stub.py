"""The hand-written stub says what the native module is."""

from __future__ import annotations

import ast
from pathlib import Path

from voxloop import _native

STUB = Path(__file__).parents[2] / "python" / "voxloop" / "_native.pyi"


def test_stub_and_module_name_the_same_things() -> None:
    tree = ast.parse(STUB.read_text(encoding="utf-8"))
    stubbed = {
        node.name
        for node in tree.body
        if isinstance(node, ast.ClassDef | ast.FunctionDef) and not node.name.startswith("_")
    }
    real = {name for name in vars(_native) if not name.startswith("_")}
    assert stubbed == real


def test_stub_and_classes_have_the_same_members() -> None:
    tree = ast.parse(STUB.read_text(encoding="utf-8"))
    for node in tree.body:
        if not isinstance(node, ast.ClassDef) or node.name.startswith("_"):
            continue
        stubbed = {n.name for n in node.body if isinstance(n, ast.FunctionDef)}
        real = set(vars(getattr(_native, node.name)))
        public = {name for name in stubbed | real if not name.startswith("_")}
        assert {name for name in public if name not in stubbed} == set(), node.name
        assert {name for name in public if name not in real} == set(), node.name
