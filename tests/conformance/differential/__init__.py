"""Scripts of calls that are made of several servers with the same stock client, and what is compared of the answers."""
