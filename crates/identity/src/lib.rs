//! Principals and AWS Signature Version 4.
