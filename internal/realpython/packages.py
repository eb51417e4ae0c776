"""Uses packages of PyPI as activities do. Results are compared with those of the same code
elsewhere, so they are the same wherever this runs.
"""

import chosen

try:
    from wasmworker import activity
except ImportError:
    activity = None

USES = {}


def use(fn):
    USES[fn.__name__] = fn
    return fn


@use
def jinja2():
    import jinja2

    env = jinja2.Environment(autoescape=True, trim_blocks=True)
    text = env.from_string(
        "{% macro row(o) %}<li>{{ o.name|upper }}: {{ '%.2f'|format(o.price) }}</li>{% endmacro %}"
        "{% for o in orders if o.price > 1 %}{{ row(o) }}{{ loop.index }}{% else %}none{% endfor %}"
    ).render(orders=[{"name": "<b>", "price": 2}, {"name": "x", "price": 1}, {"name": "é", "price": 3.456}])
    try:
        env.from_string("{% if %}").render()
    except jinja2.TemplateSyntaxError as e:
        return [text, str(e), e.lineno]


@use
def attrs():
    import attr
    import attrs

    @attrs.define(order=True)
    class Point:
        x: int = attrs.field(validator=attrs.validators.ge(0), converter=int)
        y: list = attrs.Factory(list)

    try:
        Point(-1)
    except ValueError as e:
        said = str(e)
    return [repr(Point("3")), attrs.asdict(Point(1, [Point(2)])), Point(1) < Point(2), said, attr.__name__]


@use
def dateutil():
    from datetime import datetime

    from dateutil import parser, relativedelta, rrule, tz

    month = relativedelta.relativedelta(months=+1)
    rule = rrule.rrulestr("FREQ=MONTHLY;BYDAY=-1FR;COUNT=4", dtstart=datetime(2026, 1, 1, 9))
    return [
        str(parser.parse("3rd of May 2026 at 5pm +02:00")),
        str(datetime(2026, 1, 31) + month),
        [str(d) for d in rule],
        str(parser.isoparse("2026-W10-3T04:05Z").astimezone(tz.tzoffset("x", 3600))),
    ]


@use
def yaml():
    import yaml

    data = yaml.safe_load("a: &x [1, 2.5, ~, yes]\nb: *x\nc: !!binary aGk=\nd: 2026-05-03\ne: |\n  text\n  more\n")
    text = yaml.safe_dump({"z": [1, {"y": None}], "ü": "a: b"}, allow_unicode=True, sort_keys=True)
    try:
        yaml.safe_load("a: [1,\nb: }")
    except yaml.YAMLError as e:
        return [repr(data), text, str(e)]


@use
def jsonschema():
    import jsonschema

    schema = {
        "type": "object", "required": ["id"], "additionalProperties": False,
        "properties": {"id": {"type": "integer", "minimum": 1}, "mail": {"format": "email", "pattern": "@"}, "next": {"$ref": "#"}},
    }
    validator = jsonschema.Draft202012Validator(schema)
    return [sorted(e.message for e in validator.iter_errors(v)) for v in ({"id": 1, "next": {"id": 0}}, {"mail": "x"}, {"id": "1", "z": 1}, {"id": 3})]


@use
def tomli():
    import tomli

    try:
        tomli.loads("a = [1,\n")
    except tomli.TOMLDecodeError as e:
        said = str(e)
    return [repr(tomli.loads('a.b = 1\n[[t]]\nd = 1979-05-27T07:32:00-08:00\n[[t]]\ns = """x\ny"""\nf = inf\n')), said]


@use
def sqlglot():
    import sqlglot
    from sqlglot import optimizer

    sql = "SELECT a, COUNT(*) c FROM t JOIN u USING (id) WHERE b::date > now() - interval '1 day' GROUP BY 1 LIMIT 5"
    made = [sqlglot.transpile(sql, read="postgres", write=to)[0] for to in ("mysql", "bigquery", "duckdb", "snowflake")]
    tables = sorted(t.name for t in sqlglot.parse_one(sql).find_all(sqlglot.exp.Table))
    best = optimizer.optimize("SELECT x FROM (SELECT x, y FROM t) WHERE 1 = 1 AND y > 2 + 3", schema={"t": {"x": "int", "y": "int"}}).sql()
    try:
        sqlglot.parse_one("SELECT FROM WHERE (")
    except sqlglot.ParseError as e:
        return [made, tables, best, str(e)]


@use
def networkx():
    import networkx as nx

    g = nx.DiGraph([(1, 2, {"w": 3}), (2, 3, {"w": 1}), (1, 3, {"w": 9}), (3, 4, {"w": 2}), (5, 1, {"w": 1})])
    return [
        nx.shortest_path(g, 1, 4, weight="w"), list(nx.topological_sort(g)), [sorted(c) for c in nx.weakly_connected_components(g)],
        sorted(nx.betweenness_centrality(g).items()), nx.maximum_flow_value(g, 5, 4, capacity="w"), nx.node_link_data(g, edges="links"),
    ]


@use
def bs4():
    from bs4 import BeautifulSoup

    soup = BeautifulSoup("<html><body><p class=a>Hi <b>you</b><p class='a b'>&lt;é<table><tr><td>1<td>2</table>", "html.parser")
    return [soup.prettify(), [p.get_text() for p in soup.select("p.a")], [t.name for t in soup.find_all(True)]]


@use
def markdown():
    import markdown

    return markdown.markdown("# T\n\n*a* **b** `c` <http://x.y>\n\n| a | b |\n|---|---|\n| 1 | 2 |\n\n- x\n    1. y\n\n```py\nz<1\n```\n", extensions=["tables", "fenced_code", "toc"])


@use
def tabulate():
    from tabulate import tabulate

    rows = [["é", 1.5], ["longer", 22], [None, -3]]
    return [tabulate(rows, headers=["n", "v"], tablefmt=f) for f in ("grid", "github", "html", "latex")]


@use
def more_itertools():
    import more_itertools as m

    return [
        list(m.chunked(range(7), 3)), list(m.windowed("abcd", 2)), m.partition(str.isupper, "aBc")[1].__next__(), list(map(list, m.split_at("a-b-c", "-".__eq__))),
        m.first_true([0, 3]), list(m.interleave_longest([1, 2, 3], [4])), m.map_reduce("aab", str), len(list(m.set_partitions("abcd", 2))),
    ]


if activity:
    # The example has the package imported when the app is built.
    @activity.defn(name="Run", example=[])
    def run() -> object:
        return USES[chosen.NAME]()

elif __name__ == "__main__":
    import json

    print(json.dumps(USES[chosen.NAME]()))
