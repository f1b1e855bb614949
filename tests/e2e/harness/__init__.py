"""What the end-to-end tests are made with: node processes, an independent rclpy peer, pictures."""
