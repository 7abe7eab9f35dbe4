"""A machine that asks the API anything in any order, as two merchants, and compares answers with the model.

In: a `World`, which runs the API and its workers. Out: nothing, or an AssertionError of Hypothesis with the
shortest way to a difference, or with the ways that were never taken.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from hypothesis import HealthCheck, event, seed, settings
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

from tests.support.asking import (
    a_change,
    batches,
    bounds,
    changing,
    condition,
    conditions,
    creations,
    directions,
    emails,
    filters,
    leaving,
    limits,
    numbers,
    on_duplicates,
    patches,
    refused,
    seldom,
    send,
    shown,
    sides,
    told,
)
from tests.support.model_customer import MAILBOXES, MEMBERS, JsonObject, mailbox
from tests.support.model_requests import BATCH, ERASE, Expected, Query, Request
from tests.support.ways import WAYS, ways
from tests.support.worlds import Side, World


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
        got = shown(answer)
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
        return multiple(*((side, customer_id) for customer_id in expected.created()))

    def version(self, customer: tuple[int, str]) -> int:
        """The customer's version now."""
        side, customer_id = customer
        return len(self.sides[side].model.customers[customer_id].versions)

    @initialize(target=customers, several=st.lists(st.tuples(sides, creations), max_size=8))
    def create_several(self, several: list[tuple[int, JsonObject]]) -> Any:
        made = [self.change(side, Request("POST", body=members)) for side, members in several]
        return multiple(*(one for some in made for one in some.values))

    @rule(target=customers, side=sides, members=creations, query=on_duplicates, keyed=st.booleans())
    def create(self, side: int, members: JsonObject, query: Query, keyed: bool) -> Any:
        return self.change(side, Request("POST", body=members, query=query), keyed=keyed)

    @rule(target=customers, side=sides, items=batches, query=on_duplicates, keyed=st.booleans(), own=seldom)
    def create_a_batch(self, side: int, items: list[JsonObject], query: Query, keyed: bool, own: bool) -> Any:
        if own:
            items = [*items[:-1], items[-1] | {"idempotencyKey": f"item {len(self.keyed)}"}]
        made = self.change(side, Request("POST", BATCH, {"customers": items}, query), keyed=keyed)
        if keyed:
            self.ask(side, self.keyed[-1][1])
        return made

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

    @rule(target=customers, customer=customers, method=leaving, email=emails)
    def leave_an_email_to_somebody_new(self, customer: tuple[int, str], method: str, email: str) -> Any:
        left = self.sides[customer[0]].model.customers[customer[1]].body().get("email", email)
        self.ask(customer[0], a_change(method, customer[1], {"email": email}))
        members = {"email": MAILBOXES[mailbox(left)][-1], "name": "Next"}
        return self.change(customer[0], Request("POST", body=members))

    @rule(target=customers, customer=customers, members=creations, query=on_duplicates)
    def create_with_an_email_that_was_taken(
        self, customer: tuple[int, str], members: JsonObject, query: Query
    ) -> Any:
        side, customer_id = customer
        body = self.sides[side].model.customers[customer_id].body()
        taken = members | {"email": body.get("email", members["email"])}
        return self.change(side, Request("POST", body=taken, query=query))

    @rule(customer=customers, kind=conditions, keyed=st.booleans())
    def delete(self, customer: tuple[int, str], kind: str | None, keyed: bool) -> None:
        if_match = condition(kind, self.version(customer))
        self.change(customer[0], Request("DELETE", customer[1], if_match=if_match), keyed=keyed)

    @rule(customer=customers, meanwhile=leaving, keyed=st.booleans(), again=st.booleans())
    def erase(self, customer: tuple[int, str], meanwhile: str, keyed: bool, again: bool) -> None:
        side, customer_id = customer
        self.change(side, a_change(meanwhile, customer_id, {"name": "forget me"}), keyed=True)
        changed = self.keyed[-1][1]
        self.change(side, Request(ERASE, customer_id), keyed=keyed)
        if again:
            self.ask(side, self.keyed[-1][1])
        self.ask(side, changed)
        self.ask(side, Request("GET", customer_id, query=(("version", "1"),)))

    @rule(side=sides, customer=customers, members=creations, wrong=refused)
    def say_what_is_refused(
        self, side: int, customer: tuple[int, str], members: JsonObject, wrong: JsonObject
    ) -> None:
        self.ask(side, Request("POST", body=members | wrong, key="never stored"))
        self.ask(customer[0], Request("PATCH", customer[1], wrong, key="never stored"))

    @rule(target=customers, customer=customers, method=changing, members=creations, meanwhile=leaving)
    def change_and_send_it_again_later(
        self, customer: tuple[int, str], method: str, members: JsonObject, meanwhile: str
    ) -> Any:
        side, customer_id = customer
        request = a_change(method, customer_id, members)
        made = self.change(side, request, keyed=True)
        keyed, about = self.keyed[-1][1], made.values[0][1] if made.values else customer_id
        self.ask(side, a_change(meanwhile, about, {"name": f"renamed {len(self.keyed)}"}))
        self.ask(side, keyed)
        self.ask(side, a_change(meanwhile, about, members)._replace(key=keyed.key))
        self.ask(side, Request("POST", body=members | {"name": "Other"}, key=keyed.key))
        return made

    @precondition(lambda self: self.keyed)
    @rule(target=customers, number=numbers)
    def retry(self, number: int) -> Any:
        side, request = self.keyed[number % len(self.keyed)]
        return self.change(side, request)

    @precondition(lambda self: self.keyed)
    @rule(
        target=customers,
        number=numbers,
        method=changing,
        customer=customers,
        members=creations,
    )
    def use_a_key_for_something_else(
        self, number: int, method: str, customer: tuple[int, str], members: JsonObject
    ) -> Any:
        key = self.keyed[number % len(self.keyed)][1].key
        return self.change(customer[0], a_change(method, customer[1], members)._replace(key=key))

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

    @rule(customer=customers, version=st.integers(1, 4))
    def get_as_it_was(self, customer: tuple[int, str], version: int) -> None:
        self.ask(customer[0], Request("GET", customer[1], query=(("version", str(version)),)))

    @rule(customer=customers, method=st.sampled_from(["GET", "PATCH", "DELETE", ERASE]), keyed=st.booleans())
    def reach_for_the_other_merchants_customer(
        self, customer: tuple[int, str], method: str, keyed: bool
    ) -> None:
        body = {"name": "Mallory"} if method == "PATCH" else None
        request = Request(method, customer[1], body)
        self.change(1 - customer[0], request, keyed=keyed and method != "GET")

    # Lists

    @rule(side=sides, limit=limits, filters=filters)
    def page(self, side: int, limit: str | None, filters: dict[str, str]) -> None:
        self.ask_for_a_page(side, limit=limit, **filters)

    @rule(customer=customers, limit=limits, direction=directions, delete=seldom)
    def page_beyond(self, customer: tuple[int, str], limit: str | None, direction: str, delete: bool) -> None:
        if delete:
            self.change(customer[0], Request("DELETE", customer[1]))
        self.ask_for_a_page(customer[0], limit=limit, **{direction: customer[1]})

    @rule(customer=customers, direction=st.none() | directions, email=emails)
    def find_by_email(self, customer: tuple[int, str], direction: str | None, email: str) -> None:
        beyond = () if direction is None else ((direction, customer[1]),)
        self.ask(customer[0], Request("GET", query=(("email", email), *beyond)))

    @rule(customer=customers, filters=filters)
    def page_of_those_like_this_one(self, customer: tuple[int, str], filters: dict[str, str]) -> None:
        body = self.sides[customer[0]].model.customers[customer[1]].body()
        tags = {f"metadata[{key}]": value for key, value in (body.get("metadata") or {}).items()}
        self.ask_for_a_page(customer[0], companyName=body.get("companyName"), **{**filters, **tags})

    @rule(customer=customers, bound=bounds, offset=st.integers(-1, 1), limit=limits)
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
        seen: list[str] = []
        cursor: dict[str, str] = {}
        while True:
            page = self.ask_for_a_page(side, limit="2", **cursor).body
            seen += [customer["id"] for customer in page["data"]]
            if not page["hasMore"]:
                break
            cursor = {"startingAfter": seen[-1]}
        for customer_id in reversed(seen[1::2]):
            self.ask_for_a_page(side, limit="2", endingBefore=customer_id)

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


def run_machine(
    world: World, *, examples: int, steps: int, rounds: int = 8, more_ways: Iterable[str] = ()
) -> None:
    """Let it run in this world until it went every way there is; chance may miss a rare one for a round.

    Where examples do not come by chance (Hypothesis derandomizes itself in CI), each round has a seed of its
    own: without it all of them would be the first one again.
    """
    wanted = WAYS | set(more_ways)
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

    for number in range(rounds):
        if chosen.derandomize:
            seed(number)(MachineHere)
        run_state_machine_as_test(MachineHere, settings=chosen)
        if world.taken.keys() >= wanted:
            return
    raise AssertionError(f"never taken: {sorted(wanted - world.taken.keys())}, of {dict(world.taken)}")
