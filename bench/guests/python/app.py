"""The Go guest's activities in Python: bench/order says what they do."""

from dataclasses import dataclass, field

from wasmworker import activity


@dataclass
class Person:
    name: str


@dataclass
class Greeting:
    greeting: str


@dataclass
class Line:
    sku: str
    name: str
    quantity: int
    cents: int  # for one


@dataclass
class Order:
    id: str
    customer: str
    country: str
    lines: list[Line]
    labels: dict[str, str]


@dataclass
class Invoice:
    order_id: str
    address: str
    lines: list[str] = field(default_factory=list)
    net: int = 0
    tax: int = 0
    total: int = 0


SAMPLE = Order("1", "Ada", "uk", [Line("A", "part", 2, 1999)], {"channel": "web"})


@activity.defn(name="Greet", example=[Person("Ada")])
def greet(person: Person) -> Greeting:
    return Greeting(f"Hello, {person.name}!")


@activity.defn(name="Price", example=[SAMPLE])
def price(order: Order) -> Invoice:
    invoice = Invoice(order.id, f"{order.customer}, {order.country.upper()}")
    for line in order.lines:
        cents = line.quantity * line.cents
        invoice.lines.append(
            f"{line.quantity} x {line.name} ({line.sku}): {cents // 100}.{cents % 100:02}"
        )
        invoice.net += cents
    invoice.tax = invoice.net * 19 // 100
    invoice.total = invoice.net + invoice.tax
    return invoice


@activity.defn(name="Hold", example=[SAMPLE])
def hold(order: Order) -> Invoice:
    """Is price after a heartbeat, in which the host can hold it up."""
    activity.heartbeat()
    return price(order)
