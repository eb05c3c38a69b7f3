"""What somebody can do who is signed in to the pages: with a key that may only read, or as administrator."""

from urllib.parse import urlencode

from benchmarks.worst_cases.case import Attack, Cases
from benchmarks.worst_cases.traffic import called, rendered
from benchmarks.worst_cases.world import DAY_MS, Visit, World

VISITOR = Cases("signed in to the pages")

_FORM = "application/x-www-form-urlencoded"
_YEAR_MS = 31_557_600_000


def _page(visit: Visit, target: str) -> bytes:
    return rendered("GET", target, {"cookie": visit.cookie, "accept": "text/html"})


def _form(visit: Visit, target: str, **fields: str) -> bytes:
    body = urlencode({"form_token": visit.token, **fields}).encode()
    return rendered("POST", target, {"cookie": visit.cookie, "content-type": _FORM}, body)


def _long(world: World, years: int) -> dict[str, str]:
    return {"start": str(max(0, world.now - 50 * _YEAR_MS)), "end": str(world.now + (years - 50) * _YEAR_MS)}


@VISITOR.add("the dashboard of 30 days")
def _dashboard(world: World) -> Attack:
    visit = world.visit(world.reader)
    return lambda traffic: traffic.flood([_page(visit, "/dashboard?window=30d&by=country,carrier")], 8)


@VISITOR.add("the dashboard of 1,000 years")
def _thousand_years(world: World) -> Attack:
    visit = world.visit(world.reader)
    target = f"/dashboard?{urlencode(_long(world, 1_000))}"
    return lambda traffic: traffic.flood([_page(visit, target)])


@VISITOR.add("charts of 1,000 years, each a little different")
def _charts(world: World) -> Attack:
    visit = world.visit(world.reader)
    windows = [{**_long(world, 1_000), "start": str(n * 60_000)} for n in range(64)]
    return lambda traffic: traffic.flood(
        [_page(visit, f"/dashboard/chart.svg?{urlencode(w)}") for w in windows]
    )


@VISITOR.add("the dashboard's CSV by all dimensions")
def _csv(world: World) -> Attack:
    visit = world.visit(world.reader)
    by = "country,carrier,provider,template,sender,channel,access_key"
    target = f"/dashboard/rates.csv?{urlencode({**world.window(), 'by': by, 'min_requested': '0'})}"
    return lambda traffic: traffic.flood([_page(visit, target)])


@VISITOR.add("requests to diagnose, as long as they may be")
def _diagnosis(world: World) -> Attack:
    visit = world.visit(world.reader)
    call = called(*world.reader, "SmsConversion", {f"P{n}": "x" * 200 for n in range(25)})
    text = call.decode().replace("\r\n", "\n").replace("P1=x", "P1=y")[:10_000]
    return lambda traffic: traffic.flood([_form(visit, "/explorer/diagnosis", request=text)], 8)


@VISITOR.add("the explorer: a batch of 250 KiB")
def _explored_batch(world: World) -> Attack:
    visit = world.visit(world.administrator)
    body = '{"messages":[' + ",".join(["[]"] * 80_000) + "]}"
    return lambda traffic: traffic.flood(
        [_form(visit, "/explorer/v1/recordMessages", **{"p-messages": body})]
    )


@VISITOR.add("the explorer: getRates by the minute")
def _explored_rates(world: World) -> Attack:
    visit = world.visit(world.reader)
    fields = {"p-start": str(world.now - DAY_MS), "p-end": str(world.now), "p-interval": "1m"}
    return lambda traffic: traffic.flood([_form(visit, "/explorer/v1/getRates", **fields)])


@VISITOR.add("AssumeRole, as fast as it goes")
def _roles(world: World) -> Attack:
    parameters = {"RoleArn": world.role, "RoleSessionName": "worst"}
    calls = [
        called(*world.administrator, "AssumeRole", parameters, version="2015-04-01") for _ in range(5_000)
    ]
    return lambda traffic: traffic.flood(calls, 32, once=True)
