"""The compatibility table is what runs showed, and the document has it."""

from tests.consumers.compatibility import declared, documented, render


def test_the_document_has_the_table_of_the_consumers_that_are_run() -> None:
    assert documented() == render(declared())


def test_a_cell_that_no_run_filled_says_so() -> None:
    assert "not seen" not in render(declared())
    [name, *_] = declared()
    assert "not seen" in render({name: {"Consumer": name}})
