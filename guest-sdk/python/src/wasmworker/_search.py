"""Search attributes, for `wasmworker.common`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import IntEnum
from typing import Any, ClassVar, Generic, TypeVar, cast

T = TypeVar("T")


class SearchAttributeIndexedValueType(IntEnum):
    """What a search attribute holds."""

    TEXT = 1
    KEYWORD = 2
    INT = 3
    DOUBLE = 4
    BOOL = 5
    DATETIME = 6
    KEYWORD_LIST = 7

    @property
    def wire(self) -> str:
        """The name in the guest contract, such as ``KeywordList``."""
        return "".join(part.capitalize() for part in self.name.split("_"))


@dataclass(frozen=True)
class SearchAttributeKey(Generic[T]):
    """The name and the type of a search attribute."""

    name: str
    indexed_value_type: SearchAttributeIndexedValueType

    @property
    def value_type(self) -> type[T]:
        return cast("type[T]", _TYPES[self.indexed_value_type])

    def value_set(self, value: T) -> SearchAttributeUpdate[T]:
        """The update that sets it."""
        return SearchAttributeUpdate(self, value)

    def value_unset(self) -> SearchAttributeUpdate[T]:
        """The update that takes it away."""
        return SearchAttributeUpdate(self, None)

    @staticmethod
    def for_text(name: str) -> SearchAttributeKey[str]:
        return SearchAttributeKey(name, SearchAttributeIndexedValueType.TEXT)

    @staticmethod
    def for_keyword(name: str) -> SearchAttributeKey[str]:
        return SearchAttributeKey(name, SearchAttributeIndexedValueType.KEYWORD)

    @staticmethod
    def for_int(name: str) -> SearchAttributeKey[int]:
        return SearchAttributeKey(name, SearchAttributeIndexedValueType.INT)

    @staticmethod
    def for_float(name: str) -> SearchAttributeKey[float]:
        return SearchAttributeKey(name, SearchAttributeIndexedValueType.DOUBLE)

    @staticmethod
    def for_bool(name: str) -> SearchAttributeKey[bool]:
        return SearchAttributeKey(name, SearchAttributeIndexedValueType.BOOL)

    @staticmethod
    def for_datetime(name: str) -> SearchAttributeKey[datetime]:
        return SearchAttributeKey(name, SearchAttributeIndexedValueType.DATETIME)

    @staticmethod
    def for_keyword_list(name: str) -> SearchAttributeKey[Sequence[str]]:
        return SearchAttributeKey(name, SearchAttributeIndexedValueType.KEYWORD_LIST)

    @staticmethod
    def of_type(name: str, wire: str) -> SearchAttributeKey[Any] | None:
        """The key of a type as the guest contract names it, or None."""
        for type_ in SearchAttributeIndexedValueType:
            if type_.wire == wire:
                return SearchAttributeKey(name, type_)
        return None


_TYPES = {
    SearchAttributeIndexedValueType.TEXT: str,
    SearchAttributeIndexedValueType.KEYWORD: str,
    SearchAttributeIndexedValueType.INT: int,
    SearchAttributeIndexedValueType.DOUBLE: float,
    SearchAttributeIndexedValueType.BOOL: bool,
    SearchAttributeIndexedValueType.DATETIME: datetime,
    SearchAttributeIndexedValueType.KEYWORD_LIST: list,
}


@dataclass(frozen=True)
class SearchAttributePair(Generic[T]):
    """A search attribute and its value."""

    key: SearchAttributeKey[T]
    value: T


@dataclass(frozen=True)
class SearchAttributeUpdate(Generic[T]):
    """A search attribute and its next value: None takes it away."""

    key: SearchAttributeKey[T]
    value: T | None


@dataclass(frozen=True)
class TypedSearchAttributes:
    """Search attributes, in any order."""

    search_attributes: Sequence[SearchAttributePair[Any]]

    empty: ClassVar[TypedSearchAttributes]

    def __len__(self) -> int:
        return len(self.search_attributes)

    def __iter__(self) -> Iterator[SearchAttributePair[Any]]:
        return iter(self.search_attributes)

    def __contains__(self, key: object) -> bool:
        return any(pair.key == key for pair in self)

    def __getitem__(self, key: SearchAttributeKey[T]) -> T:
        for pair in self:
            if pair.key == key:
                return cast("T", pair.value)
        raise KeyError(key)

    def get(self, key: SearchAttributeKey[T], default: Any = None) -> Any:
        return next((pair.value for pair in self if pair.key == key), default)

    def updated(self, *attributes: SearchAttributePair[Any]) -> TypedSearchAttributes:
        """These with others, which replace those with the same key."""
        replaced = {pair.key for pair in attributes}
        return TypedSearchAttributes(
            [*(p for p in self if p.key not in replaced), *attributes],
        )


TypedSearchAttributes.empty = TypedSearchAttributes(())
