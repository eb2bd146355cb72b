"""A `SearchService` in another process, called by gRPC with JSON: nothing that arrives is code."""

import dataclasses
from collections.abc import Callable
from concurrent import futures
from typing import Any

import grpc

from tuner_app.cluster.service import Ended, Opened, SearchService
from tuner_app.errors import UserError
from tuner_app.store import TrialRow
from tuner_app.store.disk_fault import DiskFault
from tuner_app.store.json_text import from_text, to_text

CALLS = ("join", "renew", "open", "report", "end", "put_back", "forgive", "leave")
PATIENCE = 60.0  # seconds that a worker waits for a chief that does not answer
_SERVICE, _METHOD = "tuner_app.Search", "Call"
_LARGEST = [("grpc.max_receive_message_length", 64 * 2**20)]


def serve(service: SearchService, address: str, executor: futures.ThreadPoolExecutor):
    """Answers calls at HOST:PORT, in the executor's thread, until the server is stopped.

    Raises UserError if the port can't be had.
    """

    def answer(request: bytes, context) -> bytes:
        name, arguments = from_text(request.decode())
        try:
            if name not in CALLS:
                raise UserError(f"{name!r} is no call that a worker makes.")
            value = getattr(service, name)(*_arguments(name, arguments))
            return _encoded({"value": value})
        except DiskFault as fault:
            service.fault = fault  # the chief ends with it
            return _encoded({"error": str(fault)})
        except Exception as error:
            return _encoded({"error": f"{type(error).__name__}: {error}"})

    server = grpc.server(executor, options=_LARGEST)
    handler = grpc.method_handlers_generic_handler(
        _SERVICE, {_METHOD: grpc.unary_unary_rpc_method_handler(answer)}
    )
    server.add_generic_rpc_handlers((handler,))
    try:
        server.add_insecure_port(address)
    except RuntimeError as error:
        raise UserError(f"The chief can't listen at {address} ({error}).") from None
    server.start()
    return server


class Channel:
    """Calls the methods of the `SearchService` that listens at an address.

    Each call raises UserError if nobody answers for a minute, or if the service refused it.
    """

    def __init__(self, address: str, patience: float = PATIENCE):
        self._address, self._patience = address, patience
        self._call = grpc.insecure_channel(address, options=_LARGEST).unary_unary(
            f"/{_SERVICE}/{_METHOD}"
        )

    def __getattr__(self, name: str) -> Callable:
        if name not in CALLS:
            raise AttributeError(name)

        def call(*arguments: object) -> Any:
            try:
                reply = self._call(
                    _encoded([name, arguments]), timeout=self._patience, wait_for_ready=True
                )
            except grpc.RpcError as error:
                raise UserError(
                    f"The chief at {self._address} does not answer ({error.code().name}). Start it "
                    "again; it goes on where it was, and so may this worker."
                ) from None
            return _value(name, from_text(reply.decode()))

        return call


def _encoded(value: object) -> bytes:
    return to_text(_plain(value)).encode()


def _plain(value: object) -> object:
    if dataclasses.is_dataclass(value):
        return {
            field.name: _plain(getattr(value, field.name)) for field in dataclasses.fields(value)
        }
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value


def _arguments(name: str, arguments: list) -> list:
    if name == "end":
        *others, ended = arguments
        return [*others, Ended(**ended)]
    return arguments


def _value(name: str, reply: dict) -> Any:
    if "error" in reply:
        raise UserError(f"The chief refused the call {name}: {reply['error']}")
    value = reply["value"]
    if name == "open":
        row = value.pop("row")
        return Opened(row=None if row is None else TrialRow(**row), **value)
    return value
