"""The activities of activities/rust in Python: EnrichTables adds to tables what can be guessed
from their names and types, and SummariseTables adds up what was found.

Objects are the same byte for byte.
"""

import json
from collections import Counter
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import Any, Self

from wasmworker import activity, blob
from wasmworker.exceptions import ApplicationError, PassthroughError

# How much is read and written at once.
PIECE = 1 << 20


@dataclass
class Summary:
    """What there is in an object, or in several."""

    tables: int = 0
    columns: int = 0
    documented_tables: int = 0
    documented_columns: int = 0
    personal: dict[str, int] = field(default_factory=dict)  # columns by the kind of data
    naming: dict[str, int] = field(default_factory=dict)  # tables by the convention

    def count(self, table: dict[str, Any]) -> None:
        columns = table["columns"]
        self.tables += 1
        self.columns += len(columns)
        self.documented_tables += "comment" in table
        self.documented_columns += sum("comment" in column for column in columns)
        add(self.personal, Counter(c["personal"] for c in columns if "personal" in c))
        add(self.naming, {table["naming"]: 1})

    def add(self, other: Self) -> None:
        self.tables += other.tables
        self.columns += other.columns
        self.documented_tables += other.documented_tables
        self.documented_columns += other.documented_columns
        add(self.personal, other.personal)
        add(self.naming, other.naming)


def add(counts: dict[str, int], more: dict[str, int]) -> None:
    for what, n in more.items():
        counts[what] = counts.get(what, 0) + n


def final_if_denied(error: PassthroughError) -> Exception:
    """What the operator does not allow now is not allowed a second later: there is no use in
    trying again.
    """
    if error.code != "EACCES":
        return error
    return ApplicationError(str(error), type="Denied", non_retryable=True)


@activity.defn(name="EnrichTables")
def enrich_tables(key: str) -> Summary:
    """Enriches an object of the bucket raw, and writes it to the same key of the bucket catalog."""
    summary = Summary()
    try:
        reader = blob.bucket("raw").open(key)
        with blob.bucket("catalog").create(key, content_type="application/jsonl") as writer:
            out = bytearray()
            with reader:
                for number, line in enumerate(lines(reader)):
                    # Raises if the worker stops. The next attempt begins anew: an object is there
                    # as a whole or not at all.
                    activity.heartbeat(number)
                    table = enriched(line, number + 1, key)
                    summary.count(table)
                    out += dumped(table).encode() + b"\n"
                    if len(out) >= PIECE:
                        writer.write(out)
                        out.clear()
            if out:
                writer.write(out)
    except PassthroughError as error:
        raise final_if_denied(error) from None
    return summary


@activity.defn(name="SummariseTables")
def summarise_tables(key: str, parts: list[Summary]) -> Summary:
    """Adds up the summaries of parts, and writes the sum to the bucket catalog, too."""
    total = Summary()
    for part in parts:
        total.add(part)
    total.personal = dict(sorted(total.personal.items()))
    total.naming = dict(sorted(total.naming.items()))
    try:
        blob.bucket("catalog").put(key, dumped(asdict(total)), content_type="application/json")
    except PassthroughError as error:
        raise final_if_denied(error) from None
    return total


def lines(reader: blob.Reader):
    """The lines of an object, which lie across the pieces that are read."""
    rest = b""
    for piece in reader.chunks(PIECE):
        *whole, rest = (rest + piece).split(b"\n")
        yield from whole
    if rest:
        yield rest


def dumped(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def enriched(line: bytes, number: int, key: str) -> dict[str, Any]:
    """A table with more in it: first what is of interest here, then what travels along."""
    try:
        table = json.loads(line)
        columns = [column(c) for c in table["columns"]]
        names = [*(c["name"] for c in columns), table["table"]]
        naming = next((name for name, follows in CONVENTIONS if all(map(follows, names))), "mixed")
        made = {"schema": text(table["schema"]), "table": text(table["table"])}
        made |= comment(table) | {"columns": columns}
    except (ValueError, KeyError, TypeError) as error:
        raise ApplicationError(
            f"line {number} of {key} is not a table: {error}", type="NotTables", non_retryable=True
        ) from error
    return made | rest(table, made) | {"naming": naming}


def column(given: dict[str, Any]) -> dict[str, Any]:
    made = {"name": text(given["name"]), "type": text(given["type"])} | comment(given)
    made |= rest(given, made)
    kind = personal(given["name"], given["type"])
    return made | {"personal": kind} if kind else made


def text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{value!r} is no text")
    return value


def comment(given: dict[str, Any]) -> dict[str, str]:
    return {"comment": text(given["comment"])} if given.get("comment", "") != "" else {}


def rest(given: dict[str, Any], made: dict[str, Any]) -> dict[str, Any]:
    """What is of no interest here, by its names."""
    names = given.keys() - made.keys() - {"comment"}
    return {name: in_order(given[name]) for name in sorted(names)}


def in_order(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: in_order(value[name]) for name in sorted(value)}
    return [in_order(item) for item in value] if isinstance(value, list) else value


def identifier(name: str, others: str) -> bool:
    return all(c.isalnum() or c in others for c in name)


# Conventions, of which the first one counts that all names follow: a name of one lower-case word
# follows two of them.
CONVENTIONS: list[tuple[str, Callable[[str], bool]]] = [
    (
        "snake_case",
        lambda n: n[:1].islower() and not any(map(str.isupper, n)) and identifier(n, "_"),
    ),
    ("camelCase", lambda n: n[:1].islower() and identifier(n, "")),
    (
        "UPPER_CASE",
        lambda n: n[:1].isupper() and not any(map(str.islower, n)) and identifier(n, "_"),
    ),
    ("PascalCase", lambda n: n[:1].isupper() and identifier(n, "")),
]

TEXT = ("text", "char", "citext")
NUMBERS = ("text", "char", "bigint", "numeric")

# The kinds of personal data, by words that names of such columns have, and by beginnings of their
# types. The first one counts.
KINDS = [
    ("credential", ("password", "passwd", "secret", "token"), TEXT),
    ("email", ("email", "e mail"), TEXT),
    ("phone", ("phone", "telephone", "mobile", "fax"), TEXT),
    (
        "date of birth",
        ("birth", "birthday", "birthdate", "dob"),
        ("date", "timestamp", "text", "char"),
    ),
    ("identity document", ("ssn", "social security", "passport", "tax id", "national id"), NUMBERS),
    ("payment", ("iban", "card number", "credit card", "account number"), NUMBERS),
    (
        "network address",
        ("ip", "ip address", "mac address"),
        ("inet", "cidr", "macaddr", "text", "char"),
    ),
    ("position", ("latitude", "longitude"), ("double", "real", "numeric")),
    ("address", ("street", "postcode", "postal code", "zip", "zip code"), TEXT),
    ("name", ("first name", "last name", "full name", "surname", "firstname", "lastname"), TEXT),
]


def personal(name: str, type_: str) -> str | None:
    """Guesses which kind of personal data a column has."""
    within = f" {' '.join(words(name))} "
    for kind, phrases, types in KINDS:
        if type_.startswith(types) and any(f" {phrase} " in within for phrase in phrases):
            return kind
    return None


def words(name: str) -> list[str]:
    """The words of a name, in lower case: those of contactEmail, Contact-Email and contact_email
    are contact and email.
    """
    found, before = [""], " "
    for c in name:
        if c.isupper() and not before.isupper() or not c.isalnum():
            found.append("")
        if c.isalnum():
            found[-1] += c.lower()
        before = c
    return [word for word in found if word]
