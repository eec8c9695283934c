//! The rules of functions: validation, life cycle, revisions.
