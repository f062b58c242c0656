"""What a table declares of its columns beside their types: in its schema, and in what pandas and Hugging Face write along.

| who | what | becomes |
| --- | --- | --- |
| arrow | a dictionary | categories |
| pandas | a categorical, of numbers too | categories |
| pandas | an index that was written as a column | no feature, as a frame's is none |
| Hugging Face | a ClassLabel, numbers that have names | categories of these names; of the label, all classes in their order |
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any, NamedTuple

from jaxattack.npz import UnreadableError

_INDEX = re.compile(r"__index_level_\d+__")
"""What pandas calls an index without a name where it writes it as a column."""


class Declarations(NamedTuple):
    """What a table declares.

    Attributes:
        categories: names of the columns whose values are categories.
        index: names of those that were a frame's index.
        classes: what the numbers 0, 1 ... of a column stand for, by its name.
    """

    categories: frozenset[str] = frozenset()
    index: frozenset[str] = frozenset()
    classes: Mapping[str, tuple[str, ...]] = {}


def declarations_of(schema: Any) -> Declarations:
    """What a schema of pyarrow declares.

    Raises:
        UnreadableError: what was written along is damaged.
    """
    import pyarrow

    dictionaries = {field.name for field in schema if pyarrow.types.is_dictionary(field.type)}
    try:
        pandas, hugging_face = (_written(schema.metadata, key) for key in (b"pandas", b"huggingface"))
        columns = pandas.get("columns", [])
        numbers = {str(one.get("field_name", one["name"])) for one in columns if one["pandas_type"] == "categorical"}
        index = {one for one in pandas.get("index_columns", []) if isinstance(one, str)}
        features = hugging_face.get("info", {}).get("features", {})
        classes = {
            name: tuple(map(str, one["names"]))
            for name, one in features.items()
            if isinstance(one, dict) and one.get("_type") == "ClassLabel" and one.get("names")  # a list is of records
        }
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        raise UnreadableError("what it declares of its columns is damaged") from error
    index |= {name for name in schema.names if _INDEX.fullmatch(name)}
    return Declarations(frozenset(dictionaries | numbers | classes.keys()), frozenset(index), classes)


def _written(metadata: Mapping[bytes, bytes] | None, key: bytes) -> dict[str, Any]:
    return json.loads(metadata[key]) if metadata and key in metadata else {}
