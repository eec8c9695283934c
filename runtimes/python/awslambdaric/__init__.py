"""The client that runs Python functions: it takes events from the Lambda Runtime API and posts what handlers return.

Module and function names are those of AWS's runtime interface client, because tracing and error-reporting packages
find and replace them by name. Only the standard library is used, so that any CPython from 3.8 on can run it.
"""

__version__ = "4.0.0"
