"""What the end-to-end tests stand on: databases, the relay as a process, and receivers that behave as told."""
