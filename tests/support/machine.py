"""A machine that asks the API anything in any order, as two merchants, and compares answers with the model.

In: a `World`, which runs the API and its workers. Out: nothing, or an AssertionError of Hypothesis with the
shortest way to a difference, or with the ways that were never taken.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

from hypothesis import HealthCheck, event, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    initialize,
    multiple,
    precondition,
    rule,
    run_state_machine_as_test,
)

from tests.support.api import Answer, Client
from tests.support.model import (
    LINES,
    MAILBOXES,
    MEMBERS,
    Customer,
    Expected,
    JsonObject,
    Merchant,
    Request,
    Told,
    mailbox,
)
from tests.support.worlds import World

ROUNDS = 3
"""How often the machine may run until it went every way: chance may pass by a rare one."""
COMPARED = ("ETag", "Location", "Idempotent-Replayed")
UNKNOWN = "cus_01jd4q8w9zexampxexampxe000"


@dataclass
class Side:
    """A merchant in the service, and in the model."""

    client: Client
    model: Merchant = field(default_factory=Merchant)


# What is asked

texts = st.sampled_from(["1", "two", "Zoë & 日本 🙂", 'say "\\"'])
emails = st.sampled_from([spelling for spellings in MAILBOXES.values() for spelling in spellings])
addresses = st.dictionaries(st.sampled_from(LINES[:3]), st.none() | texts, max_size=3)
countries = st.fixed_dictionaries({}, optional={"country": st.sampled_from(["us", "US", "fr", None])})
metadata = st.dictionaries(st.sampled_from(["a", "b", "ä"]), st.none() | texts, max_size=3)
optional: dict[str, st.SearchStrategy[Any]] = {
    "phone": st.none() | texts,
    "address": st.none() | st.builds(lambda one, other: one | other, addresses, countries),
    "companyName": st.none() | texts,
    "taxId": st.none() | texts,
    "description": st.none() | texts,
    "metadata": st.none() | metadata,
}
creations = st.fixed_dictionaries({"email": emails, "name": texts}, optional=optional)
patches = st.fixed_dictionaries({}, optional={"email": emails, "name": texts} | optional)
refused = st.sampled_from(
    [
        {"email": None},
        {"name": None},
        {"id": UNKNOWN},
        {"created": 1},
        {"updated": None},
        {"totalSpent": "1.00"},
        {"merchantId": "mer_1"},
        {"version": 9},
        {"deleted": False},
    ]
)
conditions = st.sampled_from([None, None, None, "current", "stale", "weak", "any", "several"])
sides = st.sampled_from([0, 1])
seldom = st.sampled_from([False, False, False, True])
numbers = st.integers(0, 999)
limits = st.sampled_from([None, "1", "2", "3", "100"])
directions = st.sampled_from(["startingAfter", "endingBefore"])


def condition(kind: str | None, version: int) -> str | None:
    """The value of an If-Match or If-None-Match header."""
    return {
        None: None,
        "current": f'"{version}"',
        "stale": f'"{version - 1}"',
        "weak": f'W/"{version}"',
        "any": "*",
        "several": f'"{version + 7}", "{version}"',
    }[kind]


class Machine(RuleBasedStateMachine):
    """Each rule asks something; `ask` compares the answer."""

    customers: Bundle[tuple[int, str]] = Bundle("customers")
    """Whose, and the id; also of those that were deleted."""

    def __init__(self, world: World) -> None:
        super().__init__()
        self.world = world
        self.sides = [Side(world.run(world.new_merchant())) for _ in range(2)]
        self.keyed: list[tuple[int, Request]] = []
        """Requests that were sent under an idempotency key, and whose."""

    def ask(self, side: int, request: Request) -> Expected:
        """Send the request, and see that the answer is the model's."""
        client, model = self.sides[side].client, self.sides[side].model
        was = {customer.id: len(customer.versions) for customer in model.customers.values()}
        answer = self.world.run(send(client, request))
        expected = model.answer(request, told(answer))
        got = shown(answer, with_message=expected.body is not None and "message" in expected.body)
        assert got == expected, f"{request}\nwas answered {got}\nand not     {expected}"
        for way in ways(request, expected, model, was):
            event(way)
            self.world.taken[way] += 1
        return expected

    def change(self, side: int, request: Request, *, keyed: bool = False) -> Any:
        """The same for a change, under a new key if it is to have one; the customer that it made, if any."""
        if keyed:
            request = request._replace(key=f"key {len(self.keyed)}")
            self.keyed.append((side, request))
        expected = self.ask(side, request)
        is_new = expected.status == 201 and "Idempotent-Replayed" not in expected.headers
        return (side, expected.body["id"]) if is_new else multiple()

    def version(self, customer: tuple[int, str]) -> int:
        """The customer's version now."""
        side, customer_id = customer
        return len(self.sides[side].model.customers[customer_id].versions)

    @initialize(target=customers, several=st.lists(st.tuples(sides, creations), max_size=8))
    def create_several(self, several: list[tuple[int, JsonObject]]) -> Any:
        made = [self.change(side, Request("POST", body=members)) for side, members in several]
        return multiple(*(one for one in made if isinstance(one, tuple)))

    # Changes

    @rule(target=customers, side=sides, members=creations, keyed=st.booleans())
    def create(self, side: int, members: JsonObject, keyed: bool) -> Any:
        return self.change(side, Request("POST", body=members), keyed=keyed)

    @rule(customer=customers, members=patches, kind=conditions, keyed=st.booleans())
    def patch(self, customer: tuple[int, str], members: JsonObject, kind: str | None, keyed: bool) -> None:
        if_match = condition(kind, self.version(customer))
        request = Request("PATCH", customer[1], members, if_match=if_match)
        self.change(customer[0], request, keyed=keyed)

    @rule(customer=customers, members=st.sets(st.sampled_from(MEMBERS)), keyed=st.booleans())
    def patch_with_what_is_there(self, customer: tuple[int, str], members: set[str], keyed: bool) -> None:
        body = self.sides[customer[0]].model.customers[customer[1]].body()
        there = {member: body[member] for member in sorted(members & body.keys())}
        self.change(customer[0], Request("PATCH", customer[1], there), keyed=keyed)

    @rule(customer=customers, email=emails)
    def patch_the_email(self, customer: tuple[int, str], email: str) -> None:
        self.ask(customer[0], Request("PATCH", customer[1], {"email": email}))

    @rule(
        target=customers,
        customer=customers,
        method=st.sampled_from(["PATCH", "PATCH", "DELETE"]),
        email=emails,
    )
    def leave_an_email_to_somebody_new(self, customer: tuple[int, str], method: str, email: str) -> Any:
        left = self.sides[customer[0]].model.customers[customer[1]].body().get("email", email)
        body = {"email": email} if method == "PATCH" else None
        self.change(customer[0], Request(method, customer[1], body))
        again = MAILBOXES[mailbox(left)][-1]
        return self.change(customer[0], Request("POST", body={"email": again, "name": "Next"}))

    @rule(customer=customers, kind=conditions, keyed=st.booleans())
    def delete(self, customer: tuple[int, str], kind: str | None, keyed: bool) -> None:
        if_match = condition(kind, self.version(customer))
        self.change(customer[0], Request("DELETE", customer[1], if_match=if_match), keyed=keyed)

    @rule(side=sides, customer=customers, members=creations, wrong=refused)
    def say_what_is_refused(
        self, side: int, customer: tuple[int, str], members: JsonObject, wrong: JsonObject
    ) -> None:
        self.ask(side, Request("POST", body=members | wrong, key="never stored"))
        self.ask(customer[0], Request("PATCH", customer[1], wrong, key="never stored"))

    # Retries

    @precondition(lambda self: self.keyed)
    @rule(target=customers, number=numbers, meanwhile=st.sampled_from([None, "PATCH", "PATCH", "DELETE"]))
    def retry(self, number: int, meanwhile: str | None) -> Any:
        side, request = self.keyed[number % len(self.keyed)]
        made = self.change(side, request)
        customer_id = made[1] if isinstance(made, tuple) else request.customer_id
        if meanwhile is not None:
            body = {"name": f"renamed {number}"} if meanwhile == "PATCH" else None
            self.change(side, Request(meanwhile, customer_id or UNKNOWN, body))
            self.change(side, request)
        return made

    @precondition(lambda self: self.keyed)
    @rule(
        target=customers,
        number=numbers,
        method=st.sampled_from(["POST", "PATCH", "DELETE"]),
        customer=customers,
        members=creations,
    )
    def use_a_key_for_something_else(
        self, number: int, method: str, customer: tuple[int, str], members: JsonObject
    ) -> Any:
        key = self.keyed[number % len(self.keyed)][1].key
        customer_id = None if method == "POST" else customer[1]
        body = None if method == "DELETE" else members
        return self.change(customer[0], Request(method, customer_id, body, key=key))

    @precondition(lambda self: self.keyed)
    @rule(target=customers, number=numbers)
    def use_a_key_of_the_other_merchant(self, number: int) -> Any:
        side, request = self.keyed[number % len(self.keyed)]
        return self.change(1 - side, request)

    # Reads

    @rule(
        customer=customers,
        method=st.sampled_from(["GET", "GET", "HEAD"]),
        kind=conditions,
        expand=st.booleans(),
    )
    def get(self, customer: tuple[int, str], method: str, kind: str | None, expand: bool) -> None:
        if_none_match = condition(kind, self.version(customer))
        query = (("expand", "stats"),) if expand else ()
        self.ask(customer[0], Request(method, customer[1], query=query, if_none_match=if_none_match))

    @rule(side=sides, email=emails)
    def find_by_email(self, side: int, email: str) -> None:
        self.ask(side, Request("GET", query=(("email", email),)))

    @rule(customer=customers, method=st.sampled_from(["GET", "PATCH", "DELETE"]), keyed=st.booleans())
    def reach_for_the_other_merchants_customer(
        self, customer: tuple[int, str], method: str, keyed: bool
    ) -> None:
        body = {"name": "Mallory"} if method == "PATCH" else None
        request = Request(method, customer[1], body)
        self.change(1 - customer[0], request, keyed=keyed and method != "GET")

    # Lists

    @rule(side=sides, limit=limits, expand=st.sampled_from([None, "stats"]))
    def page(self, side: int, limit: str | None, expand: str | None) -> None:
        self.ask_for_a_page(side, limit=limit, expand=expand)

    @rule(customer=customers, limit=limits, direction=directions, delete=seldom)
    def page_beyond(self, customer: tuple[int, str], limit: str | None, direction: str, delete: bool) -> None:
        if delete:
            self.change(customer[0], Request("DELETE", customer[1]))
        self.ask_for_a_page(customer[0], limit=limit, **{direction: customer[1]})

    @rule(customer=customers, direction=directions, email=emails)
    def find_by_email_beyond(self, customer: tuple[int, str], direction: str, email: str) -> None:
        self.ask_for_a_page(customer[0], email=email, **{direction: customer[1]})

    @rule(
        customer=customers,
        bound=st.sampled_from(["created[gt]", "created[lte]", "updated[gte]", "updated[lt]"]),
        offset=st.sampled_from([-1, 0, 1]),
        limit=limits,
    )
    def page_of_a_time(self, customer: tuple[int, str], bound: str, offset: int, limit: str | None) -> None:
        one = self.sides[customer[0]].model.customers[customer[1]]
        second = str(one.created + offset)
        self.ask_for_a_page(customer[0], limit=limit, **{bound: second})

    @rule(customer=customers, direction=directions)
    def page_beyond_the_other_merchants_customer(self, customer: tuple[int, str], direction: str) -> None:
        self.ask_for_a_page(1 - customer[0], **{direction: customer[1]})

    def ask_for_a_page(self, side: int, **query: str | None) -> Expected:
        """A page of what there is at this moment."""
        self.world.run(self.world.catch_up())
        given = tuple((name, value) for name, value in query.items() if value is not None)
        return self.ask(side, Request("GET", query=given))

    @rule(side=sides)
    def walk_to_the_oldest_and_back(self, side: int) -> None:
        for direction, end in (("startingAfter", -1), ("endingBefore", 0)):
            cursor: dict[str, str] = {}
            while (page := self.ask_for_a_page(side, limit="2", **cursor).body)["hasMore"]:
                cursor = {direction: page["data"][end]["id"]}

    # Workers

    def worker(self, number: int) -> str:
        """One of this world's."""
        return self.world.workers[number % len(self.world.workers)]

    @rule(number=numbers)
    def start_a_worker(self, number: int) -> None:
        self.world.run(self.world.start(self.worker(number)))

    @rule(number=numbers, kill=st.booleans())
    def stop_a_worker(self, number: int, kill: bool) -> None:
        self.world.run(self.world.stop(self.worker(number), kill=kill))


def run_machine(world: World, *, examples: int, steps: int) -> None:
    """Let it run in this world, and see that it went every way that there is."""
    chosen = settings(
        max_examples=examples,
        stateful_step_count=steps,
        deadline=None,
        print_blob=True,
        suppress_health_check=list(HealthCheck),
    )

    class MachineHere(Machine):
        def __init__(self) -> None:
            super().__init__(world)

    for _ in range(ROUNDS):
        run_state_machine_as_test(MachineHere, settings=chosen)
        if world.taken.keys() >= WAYS:
            return
    raise AssertionError(f"never taken: {sorted(WAYS - world.taken.keys())}, of {dict(world.taken)}")


async def send(client: Client, request: Request) -> Answer:
    """The request over HTTP."""
    path = "/v1/customers" + (f"/{request.customer_id}" if request.customer_id else "")
    query = f"?{urlencode(request.query)}" if request.query else ""
    headers = {
        "Idempotency-Key": request.key,
        "If-Match": request.if_match,
        "If-None-Match": request.if_none_match,
    }
    given = {name: value for name, value in headers.items() if value is not None}
    return await client.request(request.method, path + query, request.body, given)


def told(answer: Answer) -> Told:
    """What the service chose, if this answer says so."""
    body = answer.json() if answer.body else {}
    return Told(body.get("id", ""), body.get("updated", 0))


def shown(answer: Answer, *, with_message: bool) -> Expected:
    """The answer as the model gives it."""
    body: Any = answer.json() if answer.body else None
    if answer.status >= 400:
        assert body.pop("requestId") == answer.headers["X-Request-Id"]
        assert with_message or body.pop("message")
        assert all(error.pop("message") for error in body.get("errors", []))
    headers = {name: answer.headers[name] for name in COMPARED if name in answer.headers}
    return Expected(answer.status, body, headers)


def ways(request: Request, expected: Expected, model: Merchant, was: Mapping[str, int]) -> Iterator[str]:
    """What was remarkable about a request and its answer; `was` are the customers' versions before it."""
    body, query = expected.body or {}, dict(request.query)
    place = "one" if request.customer_id else "all"
    yield f"{request.method} {place} {expected.status} {body.get('code', '')}".rstrip()
    cursor = model.customers.get(query.get("startingAfter") or query.get("endingBefore") or "")
    if cursor is not None and cursor.values is None:
        yield "a cursor at a deleted customer"
    if body.get("hasMore"):
        yield "there is more"
    if request.method in {"POST", "PATCH", "DELETE"} and expected.status < 400:
        yield from _ways_of_a_change(request, expected, model, was)


def _ways_of_a_change(
    request: Request, expected: Expected, model: Merchant, was: Mapping[str, int]
) -> Iterator[str]:
    customer = model.customers[expected.body["id"]]
    version = int(expected.headers["ETag"].strip('"'))
    if "Idempotent-Replayed" in expected.headers:
        yield f"{request.method} replayed"
        if len(customer.versions) > version:
            yield "replayed as of an older version"
        if customer.values is None and version < len(customer.versions):
            yield "replayed although it is deleted"
        return
    if was.get(customer.id) == version:
        yield "deleted again" if request.method == "DELETE" else "changed nothing"
    elif request.body and "email" in request.body:
        yield from _ways_of_an_email(customer, model)


def _ways_of_an_email(customer: Customer, model: Merchant) -> Iterator[str]:
    email = customer.body()["email"]
    if len(customer.versions) > 1:
        before = customer.body(len(customer.versions) - 1)["email"]
        if before != email and mailbox(before) == mailbox(email):
            yield "respelled its email"
    for other in model.customers.values():
        if other is not customer and email_of_another_time(other, email):
            yield "took the email of a deleted one" if other.values is None else "took an email that was left"


def email_of_another_time(customer: Customer, email: str) -> bool:
    """Whether the customer had this mailbox at any time."""
    return any(
        version.values is not None and mailbox(version.values["email"]) == mailbox(email)
        for version in customer.versions
    )


WAYS = frozenset(
    {
        "POST all 201",
        "POST all 400 invalid_request",
        "POST all 409 duplicate_email",
        "POST all 422 idempotency_key_reused",
        "PATCH one 200",
        "PATCH one 400 invalid_request",
        "PATCH one 404 customer_not_found",
        "PATCH one 409 duplicate_email",
        "PATCH one 412 version_mismatch",
        "DELETE one 200",
        "DELETE one 404 customer_not_found",
        "DELETE one 412 version_mismatch",
        "DELETE one 422 idempotency_key_reused",
        "GET one 200",
        "GET one 304",
        "GET one 404 customer_not_found",
        "HEAD one 200",
        "GET all 200",
        "GET all 400 invalid_cursor",
        "there is more",
        "a cursor at a deleted customer",
        "changed nothing",
        "deleted again",
        "respelled its email",
        "took the email of a deleted one",
        "took an email that was left",
        "POST replayed",
        "PATCH replayed",
        "DELETE replayed",
        "replayed as of an older version",
        "replayed although it is deleted",
    }
)
"""The ways that a run of some length must have gone."""
