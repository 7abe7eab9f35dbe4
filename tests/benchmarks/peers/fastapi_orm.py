"""P2: plain CRUD as most would write it today: FastAPI, SQLAlchemy's asynchronous ORM, asyncpg, on uvicorn.

Its packages are not among the project's own; the runner says how to install them.
"""

# The checks run without these packages: their classes and decorators are unknown there.
# mypy: disable-error-code="import-not-found, misc, untyped-decorator, no-any-return, unused-ignore"

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated, Any

import uvicorn
from fastapi import Depends, FastAPI, Header, HTTPException
from sqlalchemy import BigInteger, UniqueConstraint
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker, create_async_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from tests.benchmarks.peers.body import CustomerPatch, NewCustomer, new_id
from tests.benchmarks.peers.serving import options_from_arguments

POOL_SIZE = 16

options = options_from_arguments()
engine = create_async_engine(
    options.database_url.replace("postgresql://", "postgresql+asyncpg://"), pool_size=POOL_SIZE
)
new_session = async_sessionmaker(engine, expire_on_commit=False)


class Base(DeclarativeBase):
    pass


class Customer(Base):
    __tablename__ = "customers"
    __table_args__ = (UniqueConstraint("merchant_id", "email"),)

    id: Mapped[str] = mapped_column(primary_key=True)
    merchant_id: Mapped[str]
    email: Mapped[str]
    name: Mapped[str]
    phone: Mapped[str | None]
    address: Mapped[dict[str, Any] | None] = mapped_column(JSONB)
    company_name: Mapped[str | None]
    tax_id: Mapped[str | None]
    description: Mapped[str | None]
    metadata_: Mapped[dict[str, Any] | None] = mapped_column("metadata", JSONB)
    created: Mapped[int] = mapped_column(BigInteger)
    updated: Mapped[int] = mapped_column(BigInteger)


@asynccontextmanager
async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
    async with engine.begin() as connection:
        await connection.run_sync(Base.metadata.create_all)
    yield
    await engine.dispose()


async def session() -> AsyncIterator[AsyncSession]:
    async with new_session() as opened:
        yield opened


def merchant_of(x_api_key: Annotated[str, Header()]) -> str:
    if x_api_key not in options.merchants:
        raise HTTPException(401)
    return options.merchants[x_api_key]


Session = Annotated[AsyncSession, Depends(session)]
Merchant = Annotated[str, Depends(merchant_of)]


def columns_of(body: NewCustomer | CustomerPatch) -> dict[str, Any]:
    columns = body.model_dump(exclude_unset=True)
    if body.address is not None:
        columns["address"] = body.address.model_dump(by_alias=True)
    if "metadata" in columns:
        columns["metadata_"] = columns.pop("metadata")
    return columns


def rendered(customer: Customer) -> dict[str, Any]:
    return {
        "id": customer.id,
        "object": "customer",
        "email": customer.email,
        "name": customer.name,
        "phone": customer.phone,
        "address": customer.address,
        "companyName": customer.company_name,
        "taxId": customer.tax_id,
        "description": customer.description,
        "metadata": customer.metadata_,
        "created": customer.created,
        "updated": customer.updated,
    }


app = FastAPI(lifespan=lifespan)


@app.get("/healthz")
async def healthy() -> None:
    return None


@app.post("/v1/customers", status_code=201)
async def create(body: NewCustomer, merchant: Merchant, database: Session) -> dict[str, Any]:
    now = int(time.time())
    customer = Customer(id=new_id(), merchant_id=merchant, created=now, updated=now, **columns_of(body))
    database.add(customer)
    try:
        await database.commit()
    except IntegrityError:
        raise HTTPException(409) from None
    return rendered(customer)


async def found(customer_id: str, merchant: Merchant, database: Session) -> Customer:
    customer = await database.get(Customer, customer_id)
    if customer is None or customer.merchant_id != merchant:
        raise HTTPException(404)
    return customer


Found = Annotated[Customer, Depends(found)]


@app.get("/v1/customers/{customer_id}")
async def read(customer: Found) -> dict[str, Any]:
    return rendered(customer)


@app.patch("/v1/customers/{customer_id}")
async def update(body: CustomerPatch, customer: Found, database: Session) -> dict[str, Any]:
    for column, value in columns_of(body).items():
        setattr(customer, column, value)
    customer.updated = int(time.time())
    await database.commit()
    return rendered(customer)


if __name__ == "__main__":
    uvicorn.run(app, host="127.0.0.1", port=options.port, log_level="warning", access_log=False)
