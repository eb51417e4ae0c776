"""The activities of package order in Python, for the same JSON in and out.

The same file is a module of wasmworker's and what the worker of temporalio runs.
"""

from dataclasses import dataclass

from temporalio import activity


@dataclass
class Person:
    name: str


@dataclass
class Greeting:
    greeting: str


@activity.defn(name="Greet")
def greet(person: Person) -> Greeting:
    return Greeting(f"Hello, {person.name}!")


@dataclass
class Line:
    sku: str
    name: str
    quantity: int
    cents: int


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
    lines: list[str]
    net: int
    tax: int
    total: int


@activity.defn(name="Price")
def price(order: Order) -> Invoice:
    lines, net = [], 0
    for line in order.lines:
        cents = line.quantity * line.cents
        lines.append(f"{line.quantity} x {line.name} ({line.sku}): {cents // 100}.{cents % 100:02}")
        net += cents
    tax = net * 19 // 100
    address = f"{order.customer}, {order.country.upper()}"
    return Invoice(order.id, address, lines, net, tax, net + tax)
