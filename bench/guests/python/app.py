"""The Go guest's activities in Python: those of order.py, and one that the host can hold up."""

from order import Invoice, Line, Order, price

from wasmworker import activity

SAMPLE = Order("1", "Ada", "uk", [Line("A", "part", 2, 1999)], {"channel": "web"})


@activity.defn(name="Hold", example=[SAMPLE])
def hold(order: Order) -> Invoice:
    """Is price after a heartbeat, in which the host can hold it up."""
    activity.heartbeat()
    return price(order)
