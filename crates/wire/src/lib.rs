//! AWS protocols in both directions, with shapes generated from the service models.
