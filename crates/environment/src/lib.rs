//! One execution environment: state machine and Runtime API.
