"""The ROS 2 node `roadproof_sim`: publishes the simulation as docs/simulation.md says."""

from __future__ import annotations

import time
from typing import Any

from rcl_interfaces.msg import ParameterDescriptor, SetParametersResult
from rclpy.node import Node
from rclpy.parameter import Parameter
from rclpy.qos import QoSDurabilityPolicy, QoSProfile, QoSReliabilityPolicy
from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import CameraInfo, Image
from std_msgs.msg import String
from vision_msgs.msg import Detection2DArray

from . import messages
from .settings import RULES, SettingError, Settings, check
from .simulation import Simulation
from .weather import START_NS

# As camera drivers and CARLA's bridge offer.
QOS = QoSProfile(depth=10, reliability=QoSReliabilityPolicy.RELIABLE, durability=QoSDurabilityPolicy.VOLATILE)
LATCHED = QoSProfile(depth=1, reliability=QoSReliabilityPolicy.RELIABLE, durability=QoSDurabilityPolicy.TRANSIENT_LOCAL)


class Bridge(Node):
    """Renders and publishes frame by frame; time goes on by one frame's period, however long that took."""

    def __init__(self) -> None:
        super().__init__("roadproof_sim")
        for name, rule in RULES.items():
            # rclpy takes an empty list for bytes, so the type of lists is left to `check`.
            descriptor = ParameterDescriptor(
                description=rule.meaning, read_only=not rule.live, dynamic_typing=isinstance(rule.default, list)
            )
            self.declare_parameter(name, rule.default, descriptor)
        self.settings = Settings.of(self._values())
        self.add_on_set_parameters_callback(self._set)
        self.frame = 0
        self._simulation = Simulation(
            self.settings.cameras, self.settings.seed, self.settings.rate, self.settings.density
        )
        self._clock = self.create_publisher(Clock, "/clock", QOS)
        self._weather = self.create_publisher(String, "/sim/weather", LATCHED)
        self._weather_said = ""
        self._images, self._infos, self._truths = {}, {}, {}
        for camera in self.settings.cameras:
            prefix = f"/sim/camera/{camera.name}"
            self._images[camera.name] = self.create_publisher(Image, f"{prefix}/image_raw", QOS)
            self._infos[camera.name] = self.create_publisher(CameraInfo, f"{prefix}/camera_info", QOS)
            self._truths[camera.name] = self.create_publisher(Detection2DArray, f"{prefix}/ground_truth", QOS)
        self._next = time.monotonic()

    @property
    def ready(self) -> bool:
        """Whether everybody who is waited for has subscribed."""
        wanted = self.settings.subscribers
        return all(publisher.get_subscription_count() >= wanted for publisher in self._images.values())

    @property
    def over(self) -> bool:
        return 0 < self.settings.duration <= self.frame / self.settings.rate

    def step(self) -> None:
        """Publishes the next frame, when its turn comes by `pace`."""
        settings = self.settings
        time_s = self.frame / settings.rate
        weather = settings.weather_at(time_s)
        shots = self._simulation.frame(self.frame, weather, settings.limits)
        if settings.pace > 0:
            self._next = max(self._next + 1 / (settings.rate * settings.pace), time.monotonic())
            time.sleep(self._next - time.monotonic() if self._next > time.monotonic() else 0.0)
        now_ns = START_NS + round(time_s * messages.NS)
        self._clock.publish(Clock(clock=messages.stamp(now_ns)))
        if weather != self._weather_said:
            self._weather_said = weather
            self._weather.publish(String(data=weather))
            self.get_logger().info(f"weather at {time_s:.1f} s: {weather}")
        for camera in settings.cameras:
            shot = shots[camera.name]
            head = messages.header(now_ns, camera.frame_id)
            # The truth first: who joins both by stamp has it when the picture comes.
            self._truths[camera.name].publish(messages.detections(head, shot.boxes))
            self._infos[camera.name].publish(messages.camera_info(head, camera))
            self._images[camera.name].publish(messages.image(head, shot.rgb))
        self.frame += 1

    def close(self) -> None:
        self._simulation.close()
        self.destroy_node()

    def _values(self) -> dict[str, Any]:
        values = {name: self.get_parameter(name).value for name in RULES}
        return {name: list(value) if isinstance(value, list | tuple) else value for name, value in values.items()}

    def _set(self, parameters: list[Parameter]) -> SetParametersResult:
        """Takes live parameters from the next frame on; a value that cannot be used is refused with the reason."""
        values = self._values()
        for parameter in parameters:
            # Nothing that rclpy adds, such as use_sim_time.
            if parameter.name not in RULES:
                continue
            value = [] if parameter.value is None and RULES[parameter.name].default == [] else parameter.value
            try:
                check(parameter.name, value)
            except SettingError as error:
                return SetParametersResult(successful=False, reason=str(error))
            values[parameter.name] = list(value) if isinstance(value, list | tuple) else value
        self.settings = Settings.of(values)
        return SetParametersResult(successful=True)
