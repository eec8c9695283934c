"""Small functions for the differential suite: a folder for each language with what runs many cases in one process,
and a table for each with those that need a process of their own."""
