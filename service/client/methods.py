"""Calls as methods: what is written once as steps becomes a function or a coroutine of the same signature."""

import inspect
from collections.abc import Callable, Coroutine
from functools import update_wrapper
from typing import Any, Concatenate, Generic, ParamSpec, Protocol, TypeVar, overload

from .exchange import Exchange, Steps

P = ParamSpec("P")
T = TypeVar("T")
R = TypeVar("R")
H = TypeVar("H")
Self = TypeVar("Self")


class Host(Protocol):
    """What a method is looked up on. `given` leads every call's arguments."""

    @property
    def client(self) -> Any:
        """What carries steps out."""

    @property
    def given(self) -> tuple[Any, ...]:
        """The exchange, and whatever else the call begins with."""


class _Method(Generic[P, T]):
    """A call, and what is made of its result."""

    def __init__(self, call: Callable[..., Steps[Any]], then: Callable[[Any, Any], T] | None) -> None:
        self._call = call
        self._then = then
        self.__doc__ = call.__doc__

    def _finish(self, host: Host, result: Any) -> T:
        return result if self._then is None else self._then(host, result)

    def _dress(self, method: Callable[..., Any], host: Host) -> None:
        """Let it look like the call, without what the host gives."""
        update_wrapper(method, self._call)
        signature = inspect.signature(self._call)
        kept = list(signature.parameters.values())[len(host.given) :]
        method.__signature__ = signature.replace(parameters=kept)  # type: ignore[attr-defined]


class Method(_Method[P, T]):
    """A call that returns when it is done."""

    @overload
    def __get__(self, host: None, owner: type) -> "Method[P, T]": ...

    @overload
    def __get__(self, host: Host, owner: type) -> Callable[P, T]: ...

    def __get__(self, host: Host | None, owner: type) -> "Method[P, T] | Callable[P, T]":
        if host is None:
            return self

        def method(*args: P.args, **kwargs: P.kwargs) -> T:
            return self._finish(host, host.client.run(self._call(*host.given, *args, **kwargs)))

        self._dress(method, host)
        return method


class AsyncMethod(_Method[P, T]):
    """A call to be awaited."""

    @overload
    def __get__(self, host: None, owner: type) -> "AsyncMethod[P, T]": ...

    @overload
    def __get__(self, host: Host, owner: type) -> Callable[P, Coroutine[Any, Any, T]]: ...

    def __get__(
        self, host: Host | None, owner: type
    ) -> "AsyncMethod[P, T] | Callable[P, Coroutine[Any, Any, T]]":
        if host is None:
            return self

        async def method(*args: P.args, **kwargs: P.kwargs) -> T:
            return self._finish(host, await host.client.run(self._call(*host.given, *args, **kwargs)))

        self._dress(method, host)
        return method


def sync(call: Callable[Concatenate[Exchange, P], Steps[T]]) -> Method[P, T]:
    """A method of the client."""
    return Method(call, None)


def sync_then(
    call: Callable[Concatenate[Exchange, P], Steps[T]], then: Callable[[Any, T], R]
) -> Method[P, R]:
    """A method of the client that makes something of the result."""
    return Method(call, then)


def sync_of(call: Callable[Concatenate[Exchange, H, P], Steps[T]]) -> Method[P, T]:
    """A method of a thing that the client gave out."""
    return Method(call, None)


def awaited(call: Callable[Concatenate[Exchange, P], Steps[T]]) -> AsyncMethod[P, T]:
    """As `sync`."""
    return AsyncMethod(call, None)


def awaited_then(
    call: Callable[Concatenate[Exchange, P], Steps[T]], then: Callable[[Any, T], R]
) -> AsyncMethod[P, R]:
    """As `sync_then`."""
    return AsyncMethod(call, then)


def awaited_of(call: Callable[Concatenate[Exchange, H, P], Steps[T]]) -> AsyncMethod[P, T]:
    """As `sync_of`."""
    return AsyncMethod(call, None)
