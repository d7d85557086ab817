"""A stand-in for the supervisor that answers a task for the API server: Variables in memory, each call counted."""

from __future__ import annotations

import time
from collections import Counter
from typing import Any

CALL_SECONDS = 0.006
"""What a Variable call takes: 4 to 9 ms were measured on a real Airflow, supervisor and API server included."""


class Supervisor:
    """What ``SUPERVISOR_COMMS`` is in a task. ``calls`` counts by kind: read, write, delete, list, connection.

    ``seconds`` is how long the calls have taken together.
    """

    def __init__(self, call_seconds: float = CALL_SECONDS) -> None:
        self.calls: Counter[str] = Counter()
        self.seconds = 0.0
        self._call_seconds = call_seconds
        self._variables: dict[str, str] = {}

    def install(self) -> Supervisor:
        """Be this process's supervisor."""
        from airflow.sdk.execution_time import task_runner

        task_runner.SUPERVISOR_COMMS = self  # type: ignore[assignment, attr-defined]
        return self

    def send(self, message: Any) -> Any:
        """Answer as the supervisor would."""
        began = time.perf_counter()
        if type(message).__name__ != "MaskSecret":
            time.sleep(self._call_seconds)
        answer = self._answer(message)
        self.seconds += time.perf_counter() - began
        return answer

    def _answer(self, message: Any) -> Any:
        from airflow.sdk.exceptions import ErrorType
        from airflow.sdk.execution_time import comms

        match type(message).__name__:
            case "GetVariable":
                self.calls["read"] += 1
                if message.key in self._variables:
                    return comms.VariableResult(key=message.key, value=self._variables[message.key])
                return comms.ErrorResponse(error=ErrorType.VARIABLE_NOT_FOUND)
            case "PutVariable":
                self.calls["write"] += 1
                self._variables[message.key] = message.value
            case "DeleteVariable":
                self.calls["delete"] += 1
                self._variables.pop(message.key, None)
            case "GetVariableKeys":
                self.calls["list"] += 1
                keys = [key for key in self._variables if key.startswith(message.prefix or "")]
                return comms.VariableKeysResult(keys=keys, total_entries=len(keys))
            case "GetConnection":
                self.calls["connection"] += 1
                return comms.ErrorResponse(error=ErrorType.CONNECTION_NOT_FOUND)
            case "GetTaskStates":
                self.calls["task states"] += 1
                return comms.TaskStatesResult(task_states={})
        return comms.OKResponse(ok=True)
