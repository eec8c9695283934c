"""Fetches what the tests compare with: `python runtimes/tests/prepare.py`. What cannot be had is named.

Everything is kept in the cache (`fetch.CACHE`), so only the first time takes long.
"""

import clients
import fetch
import jvm_and_ruby


def main():
    for cached in (clients.pythons, clients.nodes):
        cached()
    missing = fetch.fetch_missing()
    for cached in (clients.pythons, clients.nodes):
        cached.cache_clear()
    # AWS's clients only for the interpreters that there are.
    for version in clients.pythons():
        clients.official_python(version)
    for major in clients.nodes():
        clients.official_node(major)
    for ruby in jvm_and_ruby.rubies().values():
        jvm_and_ruby.official_ruby(ruby)
    for name in missing + fetch.fetch_missing():
        print("missing: {} cannot be fetched".format(name))


if __name__ == "__main__":
    main()
