"""A rebuild under the traffic of real processes, killed at the worst moment and run again (F39)."""

from __future__ import annotations

from events.database import Database
from tests.support.database_proxy import DatabaseProxy
from tests.support.deployment import Deployment
from tests.support.load import Load
from tests.support.read_models import check_read_model
from tests.support.serve import comes_about, started
from tests.support.store import connected
from tests.support.sweeping import sweep

INDEXED = "SELECT FROM pg_indexes WHERE schemaname = 'projections_rebuilt' AND indexname LIKE '%by_creation'"
LEFT = "SELECT FROM pg_namespace WHERE nspname = 'projections_rebuilt'"


async def test_a_rebuild_killed_before_its_swap_leaves_everything_as_it_was_and_the_next_one_ends(
    deployment: Deployment, proxy: DatabaseProxy
) -> None:
    admin_url = proxy.database.admin_url
    async with deployment.serve() as serve, deployment.works("project"):
        load = Load(deployment.client(serve))
        async with load.running(4):
            await load.has_written(50)
            async with connected(admin_url) as reader, reader.transaction():
                await reader.execute("SELECT FROM projections.customers")  # and so no swap can happen
                async with started(deployment.environment, "rebuild", "customers") as killed:

                    async def is_filled() -> bool:
                        return bool(await deployment.operator.select(INDEXED))

                    await comes_about(is_filled, what="a filled shadow")
                    await load.has_written(20)
                    await killed.kill()
            assert await deployment.operator.select(LEFT)
            for _ in range(2):
                async with started(deployment.environment, "rebuild", "customers") as again:
                    assert await again.ended() == 0, again.said()
                await load.has_written(20)
            assert not await deployment.operator.select(LEFT)
        await load.is_stored_once(deployment)
    async with Database.connect(proxy.database.url) as database:
        while await sweep(database, deployment.operator.master_keys):
            pass
    assert await check_read_model(admin_url, deployment.operator.master_keys) == len(load.versions)
