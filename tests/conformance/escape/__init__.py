"""The escape suite: attacks that succeed without their fence, and are contained by it."""
