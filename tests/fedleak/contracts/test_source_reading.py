"""Plug-ins are read from source as Python would have them."""

import ast

import pytest

from fedleak.contracts.source_reading import MISSING, Definition, Module, definition_of, module_named, value_of

SOURCE = """
SIZE = 3
@kind.register("inner")
@dataclass
class Inner(Base):
    depth: int = SIZE
    nothing: int | None = None

@kind.register("outer")
@dataclass
class Outer(Parent):
    title: ClassVar[str] = "own"
    inner: Inner = Inner(depth=4)
    pair: tuple[int, ...] = (1, -2)
    needed: int

class Parent:
    title: ClassVar[str] = "parent"
    steps: int = 5
    inner: Inner
    def act(self): ...
"""


@pytest.fixture
def module() -> Module:
    tree = ast.parse(SOURCE)
    return Module(
        name="fedleak.made_up",
        classes={node.name: node for node in tree.body if isinstance(node, ast.ClassDef)},
        values={"SIZE": ast.Constant(3)},
        imported={},
    )


def test_the_registered_name_and_the_nearest_class_variable(module):
    outer = Definition(module=module, node=module.classes["Outer"])
    assert outer.registered == "outer"
    assert outer.class_value("title") == "own"
    assert outer.class_value("absent", "default") == "default"
    assert Definition(module=module, node=module.classes["Parent"]).registered is None


def test_options_come_as_a_dataclass_has_them_with_those_of_the_base_first(module):
    outer = Definition(module=module, node=module.classes["Outer"])
    assert outer.options() == {
        "steps": 5,
        "inner": {"use": "inner", "depth": 4},
        "pair": [1, -2],
        "needed": MISSING,
    }
    assert list(outer.options()) == ["steps", "inner", "pair", "needed"]


def test_inherited_members_count(module):
    assert Definition(module=module, node=module.classes["Outer"]).members() == {"act", "title"}


def test_a_base_that_is_not_ours_ends_the_line(module):
    assert definition_of(module, ast.Name("Base")) is None
    assert definition_of(module, ast.Attribute(ast.Name("nn"), "Module")) is None


def test_only_our_own_files_are_read():
    assert module_named("torch.nn") is None
    assert module_named("fedleak.nowhere") is None
    assert module_named("fedleak.attacks.gradient_matching.dlg") is not None


def test_what_is_no_constant_is_refused(module):
    with pytest.raises(ValueError, match="malformed"):
        value_of(module, ast.parse("1 if x else 2", mode="eval").body)
