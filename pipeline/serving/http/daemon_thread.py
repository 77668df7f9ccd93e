"""Run a function that may never return, such as a look at a dead network drive."""

import asyncio
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import TypeVar

Result = TypeVar("Result")


async def run_in_daemon_thread(function: Callable[[], Result], limit: float) -> Result:
    """Return the function's result, or raise what it raises. Raises TimeoutError after `limit` seconds.

    The function then goes on in its thread, which neither blocks other calls nor the end of the process.
    """
    loop = asyncio.get_running_loop()
    future: asyncio.Future[Result] = loop.create_future()

    def deliver(deliver_to_future: Callable[[], None]) -> None:
        def unless_given_up() -> None:
            if not future.done():
                deliver_to_future()

        with suppress(RuntimeError):  # the loop is closed: the process ends
            loop.call_soon_threadsafe(unless_given_up)

    def work() -> None:
        try:
            result = function()
        except Exception as error:  # noqa: BLE001 - raised by the caller
            problem = error
            deliver(lambda: future.set_exception(problem))
        else:
            deliver(lambda: future.set_result(result))

    threading.Thread(target=work, name="look", daemon=True).start()
    async with asyncio.timeout(limit):
        return await future
