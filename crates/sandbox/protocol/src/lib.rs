//! Messages between server, launcher and init.
