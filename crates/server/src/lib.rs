//! Composition: config, listeners, gateway, shutdown.
