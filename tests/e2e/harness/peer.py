"""An independent ROS 2 node (rclpy) that talks with the node under test as any other node would."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, Generic, TypeVar

import rclpy
from lifecycle_msgs.msg import Transition
from lifecycle_msgs.srv import ChangeState, GetState
from rcl_interfaces.msg import Parameter as ParameterMessage
from rcl_interfaces.msg import ParameterValue, SetParametersResult
from rcl_interfaces.srv import GetParameters, SetParameters, SetParametersAtomically
from rclpy.client import Client
from rclpy.executors import SingleThreadedExecutor
from rclpy.parameter import Parameter, parameter_value_to_python
from rclpy.publisher import Publisher
from rclpy.qos import QoSDurabilityPolicy, QoSProfile, QoSReliabilityPolicy

M = TypeVar("M")
R = TypeVar("R")

# How long anything may take that has no deadline of its own: generous, because it only costs time on failure.
PATIENCE_S = 20.0

NODE = "/roadproof"


def qos(*, reliable: bool = True, latched: bool = False, depth: int = 10) -> QoSProfile:
    """A quality of service, in the two policies that have to match."""
    return QoSProfile(
        depth=depth,
        reliability=QoSReliabilityPolicy.RELIABLE if reliable else QoSReliabilityPolicy.BEST_EFFORT,
        durability=QoSDurabilityPolicy.TRANSIENT_LOCAL if latched else QoSDurabilityPolicy.VOLATILE,
    )


class Inbox(list[M], Generic[M]):
    """Messages received on a topic, oldest first, with the times (monotonic, seconds) at which they came."""

    def __init__(self) -> None:
        super().__init__()
        self.times: list[float] = []

    def receive(self, message: M) -> None:
        self.append(message)
        self.times.append(time.monotonic())


class Peer:
    """The peer's node. Nothing is received but in `wait_until` and `spin`, so tests have no threads to mind."""

    def __init__(self, domain: int, name: str = "peer") -> None:
        self.context = rclpy.Context()
        rclpy.init(context=self.context, domain_id=domain)
        self.node = rclpy.create_node(name, context=self.context, start_parameter_services=False)
        self.executor = SingleThreadedExecutor(context=self.context)
        self.executor.add_node(self.node)
        self._clients: dict[str, Client] = {}

    def close(self) -> None:
        self.executor.shutdown()
        self.node.destroy_node()
        self.context.try_shutdown()

    # ---- topics

    def subscribe(self, message_type: type[M], topic: str, profile: QoSProfile | int = 50) -> Inbox[M]:
        inbox: Inbox[M] = Inbox()
        self.node.create_subscription(message_type, topic, inbox.receive, profile)
        return inbox

    def publisher(self, message_type: type, topic: str, profile: QoSProfile | int = 10) -> Publisher:
        return self.node.create_publisher(message_type, topic, profile)

    def withdraw(self, publisher: Publisher) -> None:
        self.node.destroy_publisher(publisher)

    # ---- waiting

    def spin(self, seconds: float) -> None:
        """Receives for a given time, for tests of what happens (or does not happen) in it."""
        deadline = time.monotonic() + seconds
        while (left := deadline - time.monotonic()) > 0:
            self.executor.spin_once(timeout_sec=left)

    def wait_until(self, condition: Callable[[], R], what: str, timeout: float = PATIENCE_S) -> R:
        """Receives until `condition` gives something truthy, and returns that."""
        deadline = time.monotonic() + timeout
        while not (result := condition()):
            assert time.monotonic() < deadline, f"in vain for {timeout} s: {what}"
            # The graph changes without waking the executor, so it is not waited for longer than this.
            self.executor.spin_once(timeout_sec=0.01)
        return result

    # ---- services

    def call(self, service_type: Any, service: str, request: Any, timeout: float = PATIENCE_S) -> Any:
        """The response of one of the node's services."""
        client = self._clients.get(service)
        if client is None:
            client = self._clients[service] = self.node.create_client(service_type, f"{NODE}/{service}")
        self.wait_until(client.service_is_ready, f"service {service} is there", timeout)
        future = client.call_async(request)
        self.wait_until(future.done, f"service {service} answers", timeout)
        return future.result()

    def get(self, name: str) -> Any:
        """The value of a parameter; None if it is not set."""
        response = self.call(GetParameters, "get_parameters", GetParameters.Request(names=[name]))
        return parameter_value_to_python(response.values[0])

    def try_set(self, name: str, value: Any) -> SetParametersResult:
        """Asks for a parameter to be set; None unsets it."""
        request = SetParameters.Request(parameters=[_parameter(name, value)])
        return self.call(SetParameters, "set_parameters", request).results[0]

    def set(self, name: str, value: Any) -> None:
        """Sets a parameter, which must succeed."""
        result = self.try_set(name, value)
        assert result.successful, f"{name}={value!r}: {result.reason}"

    def set_atomically(self, values: dict[str, Any]) -> SetParametersResult:
        request = SetParametersAtomically.Request(parameters=[_parameter(n, v) for n, v in values.items()])
        return self.call(SetParametersAtomically, "set_parameters_atomically", request).result

    def transit(self, label: str) -> bool:
        """Asks for a lifecycle transition; whether it was done. Answered when it is through."""
        request = ChangeState.Request(transition=Transition(label=label))
        return self.call(ChangeState, "change_state", request).success

    def state(self) -> str:
        return self.call(GetState, "get_state", GetState.Request()).current_state.label


def _parameter(name: str, value: Any) -> ParameterMessage:
    if value is None:
        return ParameterMessage(name=name, value=ParameterValue())
    if value == []:
        return Parameter(name, Parameter.Type.STRING_ARRAY, []).to_parameter_msg()
    return Parameter(name, value=value).to_parameter_msg()
